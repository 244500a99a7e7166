# prep, without torch. From the project's folder: docker build -f docker/prep.Dockerfile -t tryon-prep .
# With the estimators of `prep annotate`, which bring torch: --target estimators -t tryon-estimators
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS dependencies
# Additional package sources; pip reads both variables by these names.
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
WORKDIR /build
RUN python3 -m venv --without-pip /opt/venv
COPY constraints.txt pyproject.toml docker/requirements.py ./
# Of the extra report, `prep report` only needs jinja2.
RUN python3 requirements.py > requirements.txt \
    && pip --python /opt/venv/bin/python install --no-cache-dir -c constraints.txt -r requirements.txt jinja2

FROM dependencies AS estimator-dependencies
# Listed explicitly so that pip does not choose another build of it.
ARG TORCH="torch torchvision"
RUN python3 requirements.py estimate > requirements.txt \
    && pip --python /opt/venv/bin/python install --no-cache-dir -c constraints.txt -r requirements.txt ${TORCH}

FROM ${BASE} AS wheel
WORKDIR /build
COPY constraints.txt LICENSE README.md pyproject.toml ./
COPY common common
COPY preprocess preprocess
COPY schemas schemas
COPY train train
RUN PIP_CONSTRAINT=/build/constraints.txt PIP_BUILD_CONSTRAINT=/build/constraints.txt \
    pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE} AS runtime
ARG TINI="0.19.*"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends "tini=${TINI}" \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/*
# Works with any --user: /tmp is writable by everyone, and USER is set for packages that read it.
ENV HOME=/tmp USER=tryon PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 YOLO_OFFLINE=true YOLO_AUTOINSTALL=false
COPY docker/start.sh /usr/local/bin/start
# The default folders shards and runs are then /shards and /runs.
WORKDIR /
# On SIGINT prep stops cleanly, and the same command resumes.
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/bin/tini", "--", "start", "prep"]
CMD ["--help"]

FROM runtime AS estimators
COPY --from=estimator-dependencies /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl
ENV U2NET_HOME=/weights
USER 1000:1000
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tryon-estimators" \
      org.opencontainers.image.description="prep with the estimators of prep annotate; ultralytics is AGPL-3.0" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND AGPL-3.0-only"

FROM runtime AS prep
COPY --from=dependencies /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl
USER 1000:1000
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tryon-prep" \
      org.opencontainers.image.description="prep of tryon-cascade: from a try-on dataset to shards" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
