"""Choices of options as a model table writes them: a description for people, and a code.

Descriptions and codes that real tables show are theirs; others continue them.

Source: CAS REST dialect, codes of the model table.
"""

from collections.abc import Mapping

Words = Mapping[str, tuple[str, int]]
"""A choice of an option to its description and its code."""

ACTIVATIONS: Words = {
    "AUTO": ("Automatic", 0),
    "IDENTITY": ("Identity", 1),
    "LOGISTIC": ("Logistic", 2),
    "TANH": ("Hyperbolic Tangent", 3),
    "EXP": ("Exponential", 4),
    "SIN": ("Sine", 5),
    "COS": ("Cosine", 6),
    "SOFTMAX": ("Softmax", 7),
    "RECTIFIER": ("Rectifier", 8),
    "SOFTPLUS": ("Softplus", 9),
    "ELU": ("ELU", 10),
    "FCMP": ("FCMP", 11),
    "LEAKY": ("Leaky Activation function", 12),
    "GELU": ("GELU", 13),
}
INITIALIZERS: Words = {
    "XAVIER": ("Xavier", 1),
    "UNIFORM": ("Uniform", 2),
    "NORMAL": ("Normal", 3),
    "CAUCHY": ("Cauchy", 4),
    "XAVIER1": ("Xavier1", 5),
    "XAVIER2": ("Xavier2", 6),
    "MSRA": ("MSRA", 8),
    "MSRA1": ("MSRA1", 9),
    "MSRA2": ("MSRA2", 10),
}
POOLS: Words = {
    "MAX": ("Max Pooling", 1),
    "MEAN": ("Mean Pooling", 2),
    "MIN": ("Min Pooling", 3),
    "FIXED": ("Fixed Pooling", 4),
    "RANDOM": ("Random Pooling", 5),
    "MEDIAN": ("Median Pooling", 6),
    "L2NORM": ("L2Norm Pooling", 7),
}
CROPS: Words = {
    "NONE": ("No cropping", 1),
    "UNIQUE": ("Unique cropping", 2),
    "RANDOMRESIZED": ("Random resized cropping", 3),
    "RESIZETHENCROP": ("Resizing, then cropping", 4),
}
FLIPS: Words = {
    "NONE": ("No flipping", 1),
    "H": ("Horizontal flipping", 2),
    "V": ("Vertical flipping", 3),
    "HV": ("Horizontal and vertical flipping", 4),
}
MUTATIONS: Words = {
    "NONE": ("No mutations", 1),
    "RANDOM": ("one random mutation", 2),
}
STANDARDIZATIONS: Words = {
    "MIDRANGE": ("Midrange Standardization", 0),
    "STD": ("Standardization", 1),
    "NONE": ("No Standardization", 2),
}
ERRORS: Words = {
    "AUTO": ("Automatic", 0),
    "NORMAL": ("Normal", 1),
    "POISSON": ("Poisson", 2),
    "GAMMA": ("Gamma", 3),
    "ENTROPY": ("Entropy", 4),
    "CTC": ("CTC", 5),
    "FCMPERR": ("FCMP", 6),
    "CTC_ALT": ("CTC_ALT", 7),
}
RNN_TYPES: Words = {
    "RNN": ("Recurrent Neural Network", 0),
    "LSTM": ("Long Short Term Memory", 1),
    "GRU": ("Gated Recurrent Unit", 2),
}
RNN_OUTPUTS: Words = {
    "ENCODING": ("Output a fixed-length code of the input.", 0),
    "SAMELENGTH": ("Output a sequence that has the same length as the input.", 1),
    "ARBITRARYLENGTH": ("Output a sequence of arbitrary length.", 2),
}
MASKS: Words = {"NONE": ("none", 0), "CAUSAL": ("causal", 1)}

ORDERS = {"AUTO": 0, "WHD": 1, "WDH": 2, "HWD": 3, "HDW": 4, "DWH": 5, "DHW": 6}
COORDINATES = {"RECT": 0, "YOLO": 1, "COCO": 2}
YOLO_VERSIONS = {"YOLOV1": 1, "YOLOV2": 2}
TARGET_STANDARDIZATIONS = {"MIDRANGE": 0, "STD": 1, "NONE": 2}

FAMILIES: Words = {
    "DNN": ("Deep Neural Network", 1),
    "CNN": ("Convolutional Neural Network", 2),
    "RNN": ("Recurrent Neural Network", 3),
}
"""The families of networks, in the first row of a model table."""

LAYER_TITLES = {
    "input": "Input Layer",
    "convo": "Convolution Layer",
    "pool": "Pooling Layer",
    "fc": "Full Connect Layer",
    "output": "Output Layer",
    "recurrent": "Recurrent Layer",
    "projection": "Projection Layer",
    "batchnorm": "Batch Normalization Layer",
    "residual": "Residual Layer",
    "concat": "Concat (i.e., concatenation) Layer",
    "detection": "Detection Layer",
    "scale": "Scale Layer",
    "keypoints": "Keypoints Layer",
    "reshape": "Reshape Layer",
    "fcmp": "FCMP Layer",
    "transconvo": "Transpose Convolution Layer",
    "groupconvo": "Group Convolution Layer",
    "channelshuffle": "Channel Shuffle Layer",
    "segmentation": "Segmentation Layer",
    "closs": "Embedding Loss Layer",
    "regionproposal": "Region Proposal Layer",
    "roipooling": "ROI Pooling Layer",
    "fastrcnn": "Fast RCNN Layer",
    "cluster": "Clustering Layer",
    "survival": "Survival Layer",
    "layernorm": "Layer Normalization Layer",
    "mhattention": "Multi-Head Attention Layer",
    "split": "Split Layer",
    "localconvo": "Locally Connected Layer",
}
"""What the row ``layertype`` of a layer says, by the type of the layer."""
