"""Running a TFLite network from several threads."""

from __future__ import annotations

import threading

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from mggtalk.face import assets


class Network:
    """One TFLite network on the CPU; calls from several threads wait for each other.

    Args:
        member: File name inside the archive, one of the names in :mod:`mggtalk.face.assets`.
        threads: Threads that share the work of a call; the outputs do not depend on their number.

    Raises:
        WeightsMissingError: If the archive is not available.
    """

    def __init__(self, member: str, threads: int = 1) -> None:
        self._lock = threading.Lock()
        self._interpreter = Interpreter(model_content=assets.members()[member], num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [details["index"] for details in self._interpreter.get_output_details()]

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        """Outputs of the network, as copies, for one float32 input with its batch axis."""
        with self._lock:
            self._interpreter.set_tensor(self._input, np.ascontiguousarray(values, dtype=np.float32))
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]
