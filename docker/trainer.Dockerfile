# trainer. From the project's folder: docker build -f docker/trainer.Dockerfile -t tryon-trainer .
# torch from the package index includes the CUDA libraries. For CPU only: --build-arg TORCH=torch==2.13.0+cpu
# --build-arg PIP_EXTRA_INDEX_URL=URL, with the URL that pytorch.org gives for its CPU builds.
# BASE may be any Debian or Ubuntu with Python 3.11 or later, venv and pip, for instance one that includes CUDA.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS dependencies
# Additional package sources; pip reads both variables by these names.
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG TORCH="torch"
ARG EXTRAS="train report evaluate tensorboard"
WORKDIR /build
RUN python3 -m venv --without-pip /opt/venv
COPY constraints.txt pyproject.toml docker/requirements.py ./
# torch has its own layer: it is larger than everything else together, and changes least.
RUN pip --python /opt/venv/bin/python install --no-cache-dir -c constraints.txt ${TORCH}
RUN python3 requirements.py ${EXTRAS} > requirements.txt \
    && pip --python /opt/venv/bin/python install --no-cache-dir -c constraints.txt -r requirements.txt

FROM ${BASE} AS wheel
WORKDIR /build
COPY constraints.txt LICENSE README.md pyproject.toml ./
COPY common common
COPY preprocess preprocess
COPY schemas schemas
COPY train train
COPY tryon_cascade tryon_cascade
RUN PIP_CONSTRAINT=/build/constraints.txt PIP_BUILD_CONSTRAINT=/build/constraints.txt \
    pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE} AS trainer
ARG TINI="0.19.*"
# gcc: torch.compile loads its kernels through a small C module that it compiles at run time.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev "tini=${TINI}" \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/*
# Works with any --user: /tmp is writable by everyone, and USER is set for packages that read it.
ENV HOME=/tmp USER=tryon PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY docker/start.sh /usr/local/bin/start
# The default folders shards and runs are then /shards and /runs.
WORKDIR /
ENTRYPOINT ["/usr/bin/tini", "--", "start", "trainer"]
CMD ["--help"]
COPY --from=dependencies /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl
USER 1000:1000
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tryon-trainer" \
      org.opencontainers.image.description="trainer of tryon-cascade: from shards to images" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
