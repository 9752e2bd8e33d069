"""The config that two processes with four devices each carry out together."""

from tests.devices.meshes import configured


def get_config():
    return configured("minibatches", (2, 2, 2))
