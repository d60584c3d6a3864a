"""Logarithm, exponential and sum for compiled loops, written so that the compiler spreads them over lanes.

A library's logarithm is a call for each number; these are sums and products without a branch, so that a loop
over an array does four or more at once. Logarithm and exponential are within 2 units in the last place where
they are defined (tested against the library's). All give the same bits at every width, in a loop that is not
compiled with ``fastmath``. Constants are those of fdlibm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

# Largest argument of the exponential; beyond, both ways, it stays where it is there.
LARGEST = 708.0

# Bits of a float: 52 of mantissa below the exponent. Mantissas are taken from √½ to √2.
_PLACES, _MANTISSA = np.uint64(52), np.uint64(0x000FFFFFFFFFFFFF)
_HALF = np.uint64(0x3FE6A09E667F3BCD)  # the bits of √½
_FROM_HALF = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
_WHOLE = np.uint64(0x4330000000000000)  # the bits of 2⁵²: a small whole number put below them is a float
_BIAS = np.uint64(1023)
_TO_WHOLE = 6755399441055744.0  # 1.5 · 2⁵²: the last bits of a small whole number added to it are that number


def _bits(_context: Any, _value: Any) -> Any:
    """The bits of a float as a whole number."""

    def made(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.uint64(types.float64), made


def _of_bits(_context: Any, _value: Any) -> Any:
    """The float that has these bits."""

    def made(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), made


bits: Any = intrinsic(_bits)
of_bits: Any = intrinsic(_of_bits)


@njit(cache=True, error_model="numpy", inline="always")
def log_of(x):
    """ln x of a float from 2.3e-308 on; what it gives of others has no meaning."""
    moved = bits(x) + _FROM_HALF
    power = of_bits((moved >> _PLACES) | _WHOLE) - 4503599627371519.0
    f = of_bits((moved & _MANTISSA) + _HALF) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332))
    odd = z * (
        0.6666666666666735130
        + w * (0.2857142874366239149 + w * (0.1818357216161805012 + w * 0.1479819860511658591))
    )
    half = 0.5 * f * f
    low = s * (half + (odd + even)) + power * 1.90821492927058770002e-10
    return power * 6.93147180369123816490e-01 - ((half - low) - f)


@njit(cache=True, error_model="numpy", inline="always")
def exp_of(x):
    """Return eˣ, of ±708 beyond them."""
    x = min(max(x, -LARGEST), LARGEST)
    k = np.floor(x * 1.44269504088896338700 + 0.5)
    high, low = x - k * 6.93147180369123816490e-01, k * 1.90821492927058770002e-10
    r = high - low
    z = r * r
    c = r - z * (
        1.66666666666666019037e-01
        + z
        * (
            -2.77777777770155933842e-03
            + z
            * (
                6.61375632143793436117e-05
                + z * (-1.65339022054652515390e-06 + z * 4.13813679705723846039e-08)
            )
        )
    )
    grown = 1.0 - ((low - (r * c) / (2.0 - c)) - high)
    return grown * of_bits((bits(k + _TO_WHOLE) + _BIAS) << _PLACES)


@njit(cache=True, error_model="numpy")
def total_of(values):
    """Sum in four strands, always the same."""
    a = b = c = d = 0.0
    whole = values.size // 4 * 4
    for i in range(0, whole, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
    for i in range(whole, values.size):
        a += values[i]
    return (a + b) + (c + d)
