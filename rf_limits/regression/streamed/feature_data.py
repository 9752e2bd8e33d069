"""The features of one network at every sample of one training set, which is never held."""

from typing import NamedTuple

import jax
from jax.sharding import Mesh
from jaxtyping import Array, Key

from rf_limits.devices.mesh import spread
from rf_limits.errors import check
from rf_limits.models.network import OneHiddenLayer, Params
from rf_limits.regression.streamed.stream import SampleStream


class FeatureData(NamedTuple):
    """The features of one network at every sample of one training set.

    Attributes:
      network: architecture, whose hidden layer gives the features.
      params: parameters that fix them.
      stream: the training set.
      key: its key.
      mesh: devices to spread over, or None for one.
    """

    network: OneHiddenLayer
    params: Params
    stream: SampleStream
    key: Key[Array, ""]
    mesh: Mesh | None = None

    @property
    def width(self) -> int:
        """Returns the number of features N."""
        return self.network.width

    def placed(self) -> "FeatureData":
        """Returns the same with hidden weights where the mesh wants them.

        Raises:
          RequirementError: features or rows of a block that the mesh does not divide.
        """
        if self.mesh is None:
            return self
        width, data = self.mesh.shape["width"], self.mesh.shape["data"]
        rows = self.stream.rows
        check(
            self.width % width == 0, "widths", f"be multiples of mesh.width = {width}", self.width
        )
        check(rows % data == 0, "block_size", f"be a multiple of mesh.data = {data}", rows)
        hidden = {
            name: jax.device_put(value, spread(self.mesh, *(None,) * (value.ndim - 1), "width"))
            for name, value in self.params["params"].items()
        }
        return self._replace(params={"params": hidden})
