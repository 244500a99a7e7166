# trainer. From the project's folder: docker build -f docker/trainer.Dockerfile -t tryon-trainer .
# The torch of the package index brings CUDA's libraries. For a CPU alone: --build-arg TORCH=torch==2.13.0+cpu
# --build-arg PIP_EXTRA_INDEX_URL=URL, with the URL that pytorch.org names for its CPU builds.
# BASE may be any Debian or Ubuntu with Python 3.11 or later, venv and pip, for instance one with a CUDA of its own.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS dependencies
# Where else pip looks: pip reads both by these names.
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG TORCH="torch"
ARG EXTRAS="train report evaluate tensorboard"
WORKDIR /build
RUN python3 -m venv --without-pip /opt/venv
COPY constraints.txt pyproject.toml docker/requirements.py ./
# torch has a layer of its own: it is larger than all else together, and changes least.
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
RUN PIP_CONSTRAINT=/build/constraints.txt PIP_BUILD_CONSTRAINT=/build/constraints.txt \
    pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE} AS trainer
ARG TINI="0.19.*"
# gcc: torch.compile's kernels are loaded by a little C that is compiled where they run.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev "tini=${TINI}" \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/*
# Any --user will do: /tmp is everyone's, and a name is given for those that ask for one.
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
      org.opencontainers.image.description="trainer of tryon-cascade: from shards to pictures" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
