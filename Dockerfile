# The server with its page and bundled model; docs/deployment.md says how to run it.
#   docker build -t talaqqi .                        CPU: the default install with Redis and PostgreSQL, no torch
#   docker build -t talaqqi:gpu --target gpu .       NVIDIA GPU: with torch and its CUDA libraries, gigabytes more
#   docker run --rm --network host talaqqi
FROM python:3.11-slim AS base

WORKDIR /opt/talaqqi
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY recitation recitation
COPY server server
COPY static static
# Editable, so that the packages and the model are in the image once.
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore \
        --constraint constraints.txt --editable '.[redis,postgres]' \
    && useradd --system --no-create-home --shell /usr/sbin/nologin --uid 10001 talaqqi \
    && install --directory --owner talaqqi --mode 0700 /var/lib/talaqqi

# ONNX Runtime's packages otherwise report their use to Microsoft (docs/privacy.md).
ENV ORT_DISABLE_TELEMETRY=1 \
    TALAQQI_DATA=/var/lib/talaqqi
VOLUME /var/lib/talaqqi

# Signalling and the page. Audio comes over UDP, for each session on a port of its own that the system chooses:
# run with --network host, or publish a range of ports as docs/deployment.md shows.
EXPOSE 8080/tcp
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD \
    ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
STOPSIGNAL SIGTERM

FROM base AS gpu
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore \
        --constraint constraints.txt --editable '.[redis,postgres,torch]'
USER 10001
ENTRYPOINT ["talaqqi", "serve", "--host", "0.0.0.0", "--engine", "torch"]

# The last is what is built unless another is named.
FROM base AS cpu
USER 10001
ENTRYPOINT ["talaqqi", "serve", "--host", "0.0.0.0"]
