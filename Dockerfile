# Not built where it was written, which has no container engine: tests/peers/test_container_files.py
# checks what can be checked without one.
#
#     docker build -t spantoll .
#     docker run -e SPANTOLL_TOKENS=token-of-the-shop -p 4317:4317 -p 4318:4318 -v ledger:/var/lib/spantoll spantoll
FROM python:3.12.12-slim-bookworm

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY semconv semconv
COPY instrumentation instrumentation
COPY exporter exporter
RUN pip install --no-cache-dir '.[exporter,dashboard]' && rm -rf /src/*

# A fresh volume takes over the owner of the folder it covers.
RUN useradd --system --uid 10001 --create-home spantoll \
 && install --directory --owner=spantoll /var/lib/spantoll
USER spantoll
WORKDIR /var/lib/spantoll
VOLUME /var/lib/spantoll
ENV SPANTOLL_DATABASE=sqlite:////var/lib/spantoll/usage.db

EXPOSE 4317 4318
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:4318/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["spantoll"]
CMD ["up", "--grpc", "0.0.0.0:4317", "--http", "0.0.0.0:4318"]
