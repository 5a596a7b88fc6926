# The bank as one image: `docker build -t carbon-bank .`
# docker-compose.yml runs it with PostgreSQL; docs/architecture.md says what it needs.

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src

# Two environments: /opt/bank goes into the image, /opt/build only makes the wheel.
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /opt/bank \
    && /opt/bank/bin/pip install --require-hashes --only-binary :all: --requirement requirements.lock
# hatchling and what it needs, cut out of the lock file with their hashes.
RUN awk '/^[a-z]/ { wanted = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } wanted' \
        requirements-dev.lock > build.lock \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: --requirement build.lock

COPY pyproject.toml README.md LICENSE ./
COPY alembic alembic
COPY scripts scripts
COPY carbon_bank carbon_bank
RUN /opt/build/bin/hatchling build --target wheel --directory /dist \
    && /opt/bank/bin/pip install --no-index --no-deps /dist/*.whl


FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin bank \
    && install --directory --owner bank --group bank --mode 0700 /data
COPY --from=build /opt/bank /opt/bank
ENV PATH=/opt/bank/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CARBON_BANK_DATA_DIR=/data \
    CARBON_BANK_LOG_FORMAT=json
WORKDIR /data
USER bank
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
CMD ["carbon-bank", "serve", "--host", "0.0.0.0", "--port", "8000"]
