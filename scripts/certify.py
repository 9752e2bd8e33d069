"""Says what a trained network has done that no lazy method can, and what its risk is worth.

    python scripts/certify.py --weights=net.npz --target=single_neuron --initial=start.npz
    python scripts/certify.py --weights=net.pt --config=configs/quickstart.py --output=verdict.html
    python scripts/certify.py --workdir=results/quickstart --output=verdict.html

Files: .npz, .safetensors, .msgpack (Flax), .pt and .pth (state_dict of PyTorch, which need not be
installed). The target is a neuron along the array --direction of the file of weights, a teacher
of its arrays directions, coefficients and biases, or that of a config (docs/certify.md).
"""

from absl import flags

from rf_limits.certifying.command import TARGETS, FileRequest, answer_command
from rf_limits.errors import check
from rf_limits.runs.cli import run_script
from rf_limits.verdicts.forms import LAYOUTS

_WEIGHTS = flags.DEFINE_string("weights", None, "File of the trained network.")
_INITIAL = flags.DEFINE_string("initial", None, "File of the network before training.")
_NAMES = flags.DEFINE_list("names", [], "Names of the arrays W, u and perhaps b.")
_LAYOUT = flags.DEFINE_enum("layout", None, LAYOUTS, "W is (N, d) or (d, N); default: found.")
_TARGET = flags.DEFINE_enum("target", None, TARGETS, "What was learned.")
_CONFIG = flags.DEFINE_string("config", None, "Config file whose section problem has the target.")
_DIRECTION = flags.DEFINE_string("direction", "direction", "Name of the array w*.")
_BIAS = flags.DEFINE_float("bias", 0.0, "Bias b* of a single neuron.")
_DIM = flags.DEFINE_integer("dim", None, "Input dimension d; default: the target's.", 1)
_INPUTS = flags.DEFINE_enum("inputs", "gaussian", ("gaussian", "sphere"), "Law of the inputs.")
_NOISE = flags.DEFINE_float("noise", 0.0, "Standard deviation of the label noise.", 0.0)
_NUM_TRAIN = flags.DEFINE_integer("num_train", None, "Number n of training samples.", 1)
_ACTIVATION = flags.DEFINE_string("activation", "relu", "Activation of the network.")
_PREFACTOR = flags.DEFINE_string("prefactor", "standard", "A parameterization, or a number.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of a finished training run, instead.")
_SECONDS = flags.DEFINE_float("max_seconds", 600.0, "That training a run again may take.", 0.0)
_OUTPUT = flags.DEFINE_string("output", None, "HTML page to write; default: none.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace an existing page.")


def _request() -> FileRequest | None:
    if _WEIGHTS.value is None:
        return None
    return FileRequest(
        weights=_WEIGHTS.value,
        initial=_INITIAL.value,
        names=_NAMES.value,
        layout=_LAYOUT.value,
        target=_TARGET.value,
        config=_CONFIG.value,
        direction=_DIRECTION.value,
        bias=_BIAS.value,
        dim=_DIM.value,
        inputs=_INPUTS.value,
        noise=_NOISE.value,
        num_train=_NUM_TRAIN.value,
        activation=_ACTIVATION.value,
        prefactor=_PREFACTOR.value,
    )


def _main() -> None:
    one = (_WEIGHTS.value is None) != (_WORKDIR.value is None)
    check(one, "--weights", "be given, or --workdir instead of it", _WEIGHTS.value)
    request, page = _request(), _OUTPUT.value
    answer_command(request, _WORKDIR.value, _SECONDS.value, page, overwrite=_OVERWRITE.value)


if __name__ == "__main__":
    run_script(_main)
