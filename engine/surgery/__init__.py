"""Networks made of trained ones: the layers change, the numbers are carried over."""
