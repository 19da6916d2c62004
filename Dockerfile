# One image for every piece of a deployment; docker-compose.yml says which command makes it which.
FROM python:3.12-slim AS packages
COPY requirements/run.txt /tmp/run.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/run.txt

FROM python:3.12-slim
RUN groupadd --gid 10001 steadfill \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/steadfill --shell /usr/sbin/nologin steadfill \
    && install -d -o steadfill -g steadfill -m 0700 /var/lib/steadfill
COPY --from=packages /opt/venv /opt/venv
# What .dockerignore lets through: the packages and the settings, no test and no secret.
COPY . /app
RUN /opt/venv/bin/python -m compileall -q /app \
    && printf '#!/opt/venv/bin/python\nimport sys\n\nfrom cli.main import main\n\nsys.exit(main())\n' > /opt/venv/bin/steadfill \
    && chmod 0755 /opt/venv/bin/steadfill
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STEADFILL_HOME=/var/lib/steadfill
WORKDIR /app
USER steadfill
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health/live', timeout=3)"]
CMD ["python", "-m", "api"]
