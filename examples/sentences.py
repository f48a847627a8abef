"""Tell good from bad reviews with a text CNN whose word vectors are learned, in ten folds.

    castorch serve                                   # in another window
    python examples/sentences.py --positive rt-polarity.pos --negative rt-polarity.neg

The network is Kim's "CNN-rand": filters over 3, 4 and 5 words, the largest value of each, an
output. Kim (2014) reports a mean accuracy of 76.1 % on the sentence polarity data of Pang and Lee
(2005), 5,331 sentences of each kind in ten folds. The vocabulary of a fold is that of its training
sentences; terms that occur once are unknown, as all new terms will be.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import castorch
from castorch import Session, layers

FOLDS = 10
PUBLISHED_PERCENT = 76.1
FOLD_SEED = 0
WORDS = 59
FEATURES = 64
FILTERS = 100
REGIONS = (3, 4, 5)
OPTIMIZER = {
    "algorithm": {"method": "ADAM", "learning_rate": 0.001},
    "mini_batch_size": 50,
    "max_epochs": 5,
}
INPUTS = [f"_Token{place}_" for place in range(WORDS)]


def read_sentences(positive: Path, negative: Path) -> dict[str, npt.NDArray[Any]]:
    """Read one sentence a line; each gets its label and, at random, its fold."""
    kinds = [path.read_bytes().decode("cp1252").split("\n") for path in (positive, negative)]
    texts = [[line.strip() for line in lines if line.strip()] for lines in kinds]
    numbers = np.random.default_rng(FOLD_SEED)
    folds = [numbers.permutation(len(kind)) % FOLDS for kind in texts]
    return {
        "text": np.array([*texts[0], *texts[1]], dtype=object),
        "positive": np.repeat([1, 0], [len(kind) for kind in texts]),
        "fold": np.concatenate(folds),
    }


def tokenize(session: Session, fold: int) -> int:
    """Make tables of ids for a fold and return the size of the vocabulary."""
    train = {"name": "sentences", "where": f"fold <> {fold}"}
    test = {"name": "sentences", "where": f"fold = {fold}"}
    common = {"text": "text", "maxTokens": WORDS, "copyVars": ["positive"]}
    made = session.run(
        "castorch.tokenizeText",
        table=train,
        minCount=2,
        casOut={"name": "train", "replace": True},
        vocabularyOut={"name": "terms", "replace": True},
        **common,
    )
    session.run(
        "castorch.tokenizeText",
        table=test,
        vocabulary="terms",
        casOut={"name": "test", "replace": True},
        **common,
    )
    return int(made.values["alphabetSize"])


def run_fold(session: Session, fold: int) -> float:
    """Train on the other folds and return the accuracy on this one, in percent."""
    model = session.model("sentiment", replace=True)
    model.add("words", layers.Input(features=1, steps=WORDS))
    vectors = layers.Projection(
        alphabet_size=tokenize(session, fold),
        embedding_size=FEATURES,
        init="NORMAL",
        std=0.1,
        dropout=0.5,
    )
    model.add("vectors", vectors, "words")
    model.add("page", layers.Reshape(width=FEATURES, height=WORDS, depth=1), "vectors")
    for region in REGIONS:
        filters = layers.Convo(
            n_filters=FILTERS, width=FEATURES, height=region, padding=0, act="RELU"
        )
        model.add(f"region{region}", filters, "page")
        model.add(f"best{region}", layers.Pool(width=0, height=0, dropout=0.5), f"region{region}")
    model.add("features", layers.Concat(), *(f"best{region}" for region in REGIONS))
    model.add("sentiment", layers.Output(n=2), "features")
    model.train(
        "train",
        target="positive",
        inputs=INPUTS,
        nominals=["positive"],
        optimizer=OPTIMIZER,
        seed=fold + 1,
        record_seed=fold + 1,
        progress=False,
    )
    scored = model.score("test", out="scored", progress=False)
    if scored.error is None:
        raise RuntimeError("no scored row has a label, expected all of them to have one")
    return 100.0 - scored.error


def parse_arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--positive", type=Path, required=True, help="good reviews, one a line")
    parser.add_argument("--negative", type=Path, required=True, help="bad reviews, one a line")
    parser.add_argument("--folds", type=int, default=FOLDS, help="run only the first of ten folds")
    parser.add_argument("--url", help="the server (CASTORCH_URL, else http://127.0.0.1:8080)")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    started = time.monotonic()
    accuracies = []
    with castorch.connect(args.url) as client:
        session = client.session()
        sentences = read_sentences(args.positive, args.negative)
        session.upload("sentences", sentences, replace=True)
        for fold in range(args.folds):
            accuracies.append(run_fold(session, fold))
            print(f"fold {fold}: {accuracies[-1]:.2f} %", flush=True)
    minutes = (time.monotonic() - started) / 60
    mean = float(np.mean(accuracies))
    print(f"mean accuracy of {args.folds} folds: {mean:.2f} % in {minutes:.1f} min")
    print(f"Kim (2014), CNN-rand: {PUBLISHED_PERCENT} %")
    return 0 if mean >= PUBLISHED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
