# For CPUs:       docker build -t wsss .
# For CUDA GPUs:  docker build -t wsss:cuda --build-arg TORCH_INDEX=https://pypi.org/simple .
# What is installed comes from pyproject.toml through tools/setup.sh, in the versions of requirements.lock.
FROM python:3.11-slim
# OpenCV wants libGL and GLib, manifests name the commit by git, and packages without a wheel are compiled.
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential git libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /wsss
COPY . .
# The index of torch beside PyPI, whose own builds are those for CUDA; pip takes the CPU build where there are both.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV WSSS_VENV=/opt/wsss
RUN LOCKED=1 PIP_NO_CACHE_DIR=1 PIP_EXTRA_INDEX_URL=$TORCH_INDEX tools/setup.sh
ENTRYPOINT ["tools/wsss"]
CMD ["--help"]
