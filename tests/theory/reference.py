"""E relu(h) relu(g) and its gradient as one-dimensional integrals of the definition, 32 digits.

Nothing here is shared with the package: no orthant probabilities, no Stein's lemma. Given
z = <w^, x>, g is normal with mean |v| c z + b and standard deviation |v| sin(theta).
"""

import mpmath
from mpmath import mpf

DIGITS = 32
REACH = 12  # phi(12) < 1e-31


def exact(values):
    """Floats as multiprecision numbers, unrounded."""
    return [mpf(float(value)) for value in values]


def dot(x, y):
    return mpmath.fsum(p * q for p, q in zip(x, y, strict=True))


def shifted(x, step, direction):
    return [p + step * q for p, q in zip(x, direction, strict=True)]


def frame(w, v):
    """|w|, w^, and v = along w^ + across e with e a unit vector orthogonal to w."""
    norm = mpmath.sqrt(dot(w, w))
    unit = [p / norm for p in w]
    along = dot(v, unit)
    rest = shifted(v, -along, unit)
    across = mpmath.sqrt(dot(rest, rest))
    return norm, unit, along, across, [p / across if across else mpf(0) for p in rest]


def integral(function, start, kink, width):
    """E 1[z > start] function(z), finely split where it changes on the scale of width."""
    start = max(start, mpf(-REACH))
    if start >= REACH:
        return mpf(0)
    knots = {start, mpf(REACH)} | {mpf(k) for k in range(-REACH, REACH, 2)}
    knots |= {kink + k * width for k in (-14, -7, -3, 0, 3, 7, 14)}
    inside = sorted(k for k in knots if start <= k <= REACH)
    return mpmath.quad(lambda z: mpmath.npdf(z) * function(z), inside)


def moments(w, a, v, b):
    """E 1[h>0] relu(g) times z, times the coordinate along e, and alone; and w^, e, |w|."""
    norm, unit, along, across, e = frame(w, v)

    def relu(z):
        mean = along * z + b
        if across == 0:
            return max(mean, mpf(0))
        return mean * mpmath.ncdf(mean / across) + across * mpmath.npdf(mean / across)

    def opened(z):
        mean = along * z + b
        if across == 0:
            return mpf(mean > 0)
        return mpmath.ncdf(mean / across)

    kink = -b / along if along else mpf(0)
    width = across / abs(along) if along else mpf(1)
    place = (-a / norm, kink, width)
    first = integral(lambda z: z * relu(z), *place)
    second = across * integral(opened, *place) if across else mpf(0)
    alone = integral(relu, *place)
    return first, second, alone, unit, e, norm


def gram(w, a, v, b):
    """E relu(h) relu(g)."""
    first, _, alone, _, _, norm = moments(w, a, v, b)
    return norm * first + a * alone


def half_gradient(w, a, v, b):
    """E 1[h>0] relu(g) (x, 1), a list of d + 1 numbers."""
    first, second, alone, unit, e, _ = moments(w, a, v, b)
    return [first * p + second * q for p, q in zip(unit, e, strict=True)] + [alone]


def gradient(w, a, v, b):
    """With respect to w, a, v, b in this order: 2 d + 2 numbers."""
    return half_gradient(w, a, v, b) + half_gradient(v, b, w, a)


def hessian_vector(w, a, v, b, change):
    """Central difference of the gradient along ``change`` = (dw, da, dv, db)."""
    dw, da, dv, db = change
    step = mpf(10) ** -13 * min(mpmath.sqrt(dot(w, w)), mpmath.sqrt(dot(v, v)))

    def at(t):
        return gradient(shifted(w, t, dw), a + t * da, shifted(v, t, dv), b + t * db)

    return [(p - q) / (2 * step) for p, q in zip(at(step), at(-step), strict=True)]
