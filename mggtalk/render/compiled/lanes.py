"""Vector instructions that the CPU kernels ask for by name, where the compiler makes none of a loop over LANES numbers.

It unrolls such a loop before it looks for vectors, and what is left is one scalar instruction per number: compositing
took twice as long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

LANES = 8
"""Numbers that are worked on together."""

INDEX = ir.IntType(32)
"""Type of a place in a vector."""

instruction: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic
"""Numba's decorator, typed as what kernels call: without the first argument of what it decorates."""


def _place(context: Any, builder: ir.IRBuilder, kind: types.Array, array: ir.Value, index: ir.Value) -> ir.Value:
    """Pointer to the LANES numbers from ``index`` on of a flat array."""
    start = builder.gep(context.make_array(kind)(context, builder, array).data, [index])
    return builder.bitcast(start, ir.VectorType(context.get_data_type(kind.dtype), LANES).as_pointer())


@instruction
def add_scaled(typing: Any, array: types.Array, target: types.Type, source: types.Type, factor: types.Type) -> Any:
    """``array[target : target + LANES] += factor * array[source : source + LANES]``, both inside the flat array."""

    def build(context: Any, builder: ir.IRBuilder, signature: Signature, arguments: list[ir.Value]) -> ir.Value:
        kind = signature.args[0]
        to, of = (_place(context, builder, kind, arguments[0], index) for index in arguments[1:3])
        values, sums = (builder.load(place, align=kind.dtype.bitwidth // 8) for place in (of, to))
        first = builder.insert_element(ir.Constant(values.type, ir.Undefined), arguments[3], ir.Constant(INDEX, 0))
        factors = builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(INDEX, LANES), [0] * LANES))
        products = builder.fmul(values, factors, flags=("contract",))
        builder.store(builder.fadd(sums, products, flags=("contract",)), to, align=kind.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.uint64, array.dtype), build


@instruction
def any_positive(typing: Any, array: types.Array, start: types.Type) -> Any:
    """Whether one of ``array[start : start + LANES]``, which are inside the flat array, is greater than zero."""

    def build(context: Any, builder: ir.IRBuilder, signature: Signature, arguments: list[ir.Value]) -> ir.Value:
        kind = signature.args[0]
        values = builder.load(_place(context, builder, kind, *arguments), align=kind.dtype.bitwidth // 8)
        bits = builder.bitcast(builder.fcmp_ordered(">", values, ir.Constant(values.type, None)), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(array, types.uint64), build
