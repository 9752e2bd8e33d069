"""Exact expectations of Fourier features cos(<w, x> + a) under x ~ N(0, I_d)."""

import numpy as np
from jaxtyping import Float
from scipy import special


def fourier_gram(
    w: Float[np.ndarray, "m d"],
    a: Float[np.ndarray, "m"],
    v: Float[np.ndarray, "k d"],
    b: Float[np.ndarray, "k"],
) -> Float[np.ndarray, "m k"]:
    """Returns E cos(<w_i, x> + a_i) cos(<v_j, x> + b_j), (m, k).

    (exp(-|w-v|^2/2) cos(a-b) + exp(-|w+v|^2/2) cos(a+b))/2, the characteristic function of
    the Gaussian.
    """
    squares = 0.5 * (np.sum(w**2, axis=1)[:, None] + np.sum(v**2, axis=1)[None, :])
    inner = w @ v.T
    minus = np.exp(inner - squares) * np.cos(a[:, None] - b[None, :])
    plus = np.exp(-inner - squares) * np.cos(a[:, None] + b[None, :])
    return 0.5 * (minus + plus)


def fourier_relu_correlations(
    w: Float[np.ndarray, "m d"], a: Float[np.ndarray, "m"], v: Float[np.ndarray, "d"], b: float
) -> Float[np.ndarray, "m"]:
    """Returns E cos(<w_i, x> + a_i) relu(<v, x> + b), (m,).

    Real part of exp(i a - |w|^2/2) |v| G((b + i <v, w>)/|v|), where G(z) = z Phi(z) + phi(z)
    is E relu(z + N(0, 1)) continued to complex z: multiplying by exp(i <w, x>) moves the
    Gaussian's mean to i w.
    """
    norm = np.linalg.norm(v)
    z = (b + 1j * (w @ v)) / norm
    shift = 1j * a - 0.5 * np.sum(w**2, axis=1)
    density = np.exp(shift - 0.5 * z**2) / np.sqrt(2.0 * np.pi)
    # erfc(-z/sqrt 2) = exp(-z^2/2) wofz(-i z/sqrt 2): no overflow before the product.
    tail = 0.5 * np.exp(shift - 0.5 * z**2) * special.wofz(-1j * z / np.sqrt(2.0))
    return norm * np.real(z * tail + density)
