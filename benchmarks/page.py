"""Loads the page as a busy day would, and reports memory, disk and waiting times: ``python -m benchmarks.page``.

The page runs in a process of its own, with a cache folder of its own. Clients of its HTTP interface send videos, cancel
some, look at portraits and leave; all the while another one asks for a portrait check every second. What is reported:
the memory of the server after each part and at the end, against that after its first video; files that are still in
its cache after everybody has left; and the longest time that a check took.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from mggtalk.motion.motion_file import load_motion, save_motion

ROOT = Path(__file__).parents[1]
PEOPLE = sorted((ROOT / "examples" / "portraits").glob("*.jpg"))


@contextmanager
def served(cache: Path) -> Iterator[tuple[str, int]]:
    """Start the page; give its address and the number of its process."""
    port = "7969"
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(cache), "GRADIO_SERVER_PORT": port, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with suppress(Exception):
                Client(f"http://127.0.0.1:{port}", verbose=False).close()
                break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(30)


def memory(process: int) -> float:
    """Resident memory of a process, 10^6 bytes."""
    fields = Path(f"/proc/{process}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def files_below(folder: Path) -> list[Path]:
    """Files anywhere in a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


class Checks(threading.Thread):
    """Asks for a portrait check every second and keeps how long each took."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.client, self.stop, self.seconds = Client(address, verbose=False), threading.Event(), list[float]()

    def run(self) -> None:
        """Ask until it is told to stop."""
        while not self.stop.wait(1.0):
            start = time.perf_counter()
            self.client.predict(api_name="/check", portrait=handle_file(str(PEOPLE[0])))
            self.seconds.append(time.perf_counter() - start)


def main() -> None:
    """Run the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("jobs", 30), ("clients", 5), ("cancels", 40), ("sessions", 50), ("portraits", 100)):
        parser.add_argument(f"--{name}", type=int, default=count)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "cache") as (address, process):
        load(options, Path(folder), address, process)


def load(options: argparse.Namespace, folder: Path, address: str, process: int) -> None:
    """Send everything to a server."""
    motion = load_motion(ROOT / "examples" / "look_around.npz")
    cut = {name: getattr(motion, name)[:12] for name in ("expression", "rotation", "translation")}
    save_motion(motion.with_(**cut, found=None), folder / "short.npz")
    request = {"motion": handle_file(str(folder / "short.npz")), "consent": True, "size": 256}

    def video(client: Client, person: int) -> None:
        client.predict(api_name="/reenact", portrait=handle_file(str(PEOPLE[person % len(PEOPLE)])), **request)

    first = Client(address, verbose=False)
    video(first, 0)
    first.close()
    time.sleep(5.0)
    start = memory(process)
    sys.stdout.write(f"after the first video: {start:.0f} MB\n")
    checks = Checks(address)
    checks.start()

    def part(name: str, work: Callable[[], str]) -> None:
        begin = time.perf_counter()
        told = work()
        line = f"{name}: {told}, {time.perf_counter() - begin:.0f} s, {memory(process):.0f} MB\n"
        sys.stdout.write(line)
        sys.stdout.flush()

    part("videos", lambda: send_videos(address, options, video))
    part("cancels", lambda: cancel_videos(address, options.cancels, request))
    part("sessions", lambda: open_sessions(address, options.sessions))
    part("portraits", lambda: look_at_portraits(address, options.portraits, folder))
    checks.stop.set()
    checks.join()
    checks.client.close()
    slowest = max(checks.seconds)
    sys.stdout.write(f"checks meanwhile: {len(checks.seconds)}, median {np.median(checks.seconds):.1f} s, ")
    sys.stdout.write(f"longest {slowest:.1f} s\n")
    for _ in range(150):
        if not files_below(folder / "cache"):
            break
        time.sleep(1.0)
    left = [re.sub(r"^.*/", "", str(path)) for path in files_below(folder / "cache")]
    end = memory(process)
    sys.stdout.write(f"150 s after all left at most: {end:.0f} MB ({end - start:+.0f}), {len(left)} files {left[:5]}\n")


def send_videos(address: str, options: argparse.Namespace, video: Callable[[Client, int], None]) -> str:
    """Videos from several clients at once, each one after the other."""
    refused: list[str] = []

    def visitor(number: int) -> None:
        client = Client(address, verbose=False)
        for index in range(options.jobs // options.clients):
            try:
                video(client, number + index)
            except Exception as error:  # noqa: BLE001  the client has a kind of its own for every release
                refused.append(str(error))
        client.close()

    threads = [threading.Thread(target=visitor, args=(number,)) for number in range(options.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{options.jobs} of {options.clients} clients, {len(refused)} refused {refused[:1] or ''}"


def cancel_videos(address: str, count: int, request: dict[str, object]) -> str:
    """Videos that are cancelled after a moment."""
    client = Client(address, verbose=False)
    for index in range(count):
        job = client.submit(api_name="/reenact", portrait=handle_file(str(PEOPLE[index % 3])), **request)
        time.sleep(0.2)
        job.cancel()
    client.close()
    return f"{count} cancelled"


def open_sessions(address: str, count: int) -> str:
    """Visitors who look at one portrait and go."""
    for _ in range(count):
        client = Client(address, verbose=False)
        client.predict(api_name="/check", portrait=handle_file(str(PEOPLE[1])))
        client.close()
    return f"{count} opened and left"


def look_at_portraits(address: str, count: int, folder: Path) -> str:
    """One visitor who tries many portraits."""
    client = Client(address, verbose=False)
    for index in range(count):
        picture = np.asarray(Image.open(PEOPLE[index % len(PEOPLE)]).convert("RGB"))
        path = folder / f"portrait_{index}.png"
        Image.fromarray(np.roll(picture, index, axis=1)).save(path)
        client.predict(api_name="/edit", portrait=handle_file(str(path)), smile=0.3, size=256)
    client.close()
    return f"{count} edited"


if __name__ == "__main__":
    main()
