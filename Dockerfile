# The image of the server and of the workers. Its steps are those of `make setup`, without the
# development tools: a virtual environment, then both distributions under the constraints.
FROM python:3.12-slim AS build
ARG TORCH_INDEX=""
# Loops in C are compiled on the way (hatch_build.py); the image itself needs no compiler.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /app
RUN python3 -m venv .venv && .venv/bin/python -m pip install --quiet --upgrade pip
COPY pyproject.toml hatch_build.py constraints.txt README.md LICENSE ./
COPY client client
COPY server server
COPY actions actions
COPY engine engine
# TORCH_INDEX may name a package index with processor-only builds of torch.
RUN .venv/bin/python -m pip install --quiet --constraint constraints.txt \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} './client[cli]' '.[ray]'

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 castorch && mkdir /data && chown castorch /data
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 CASTORCH_DATA=/data
USER castorch
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
CMD ["castorch", "serve", "--host", "0.0.0.0", "--port", "8080"]
