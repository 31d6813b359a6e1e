"""Train the person matte on portraits and clip frames with given mattes.

    python scripts/train_matte.py --data DATA --work FOLDER --minutes 30

DATA holds ``portraits/`` + ``portraits.csv``, ``clips/`` + ``clips.csv`` and the mattes ``alpha/pNNN.png`` and
``alpha/cNNN_FFFF.png``. Held out: the clips of split ``val`` and 15 % of the portraits' identities. Each picture is
taken apart once into foreground, background and matte; training puts people onto other backgrounds at other sizes.
"""

from __future__ import annotations

import argparse
import copy
import csv
import io
import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from mggtalk.config import MatteConfig
from mggtalk.face.matte import MatteNet, save_matte

log = logging.getLogger("train_matte")
SIDE = 256  # pixels of the stored mattes
LEAST_COVER = 0.25  # mattes that cover less of the picture are failures of the reference


@dataclass
class Pictures:
    """Pictures with their mattes.

    Attributes:
        names: N names, ``pNNN`` or ``cNNN_FFFF``.
        images: [N, 3, S, S] uint8.
        alphas: [N, 1, S, S] uint8.
    """

    names: list[str]
    images: Tensor
    alphas: Tensor

    def part(self, chosen: list[int]) -> Pictures:
        """The chosen pictures."""
        return Pictures([self.names[i] for i in chosen], self.images[chosen], self.alphas[chosen])


def read_frames(path: Path, wanted: set[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the wanted frames of a clip as (number, [S, S, 3])."""
    reader = imageio_ffmpeg.read_frames(str(path), pix_fmt="rgb24")
    size = next(reader)["size"]
    for number, data in enumerate(reader):
        if number in wanted:
            picture = Image.frombytes("RGB", size, data)
            yield number, np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def repair(alpha: NDArray[np.uint8], rows: int = 14) -> NDArray[np.uint8]:
    """Continue the body to the lower edge where the reference matte stops a few rows above it. Shape [S, S]."""
    above = alpha[-rows - 2]
    if alpha[-2:].mean() < 0.6 * above.mean():
        alpha = alpha.copy()
        alpha[-rows:] = np.maximum(alpha[-rows:], above)
    return alpha


def load(data: Path) -> Pictures:
    """Read everything into memory at 256 px."""
    wanted: dict[str, set[int]] = {}
    pictures: dict[str, NDArray[np.uint8]] = {}
    for path in sorted((data / "alpha").glob("*.png")):
        if path.stem[0] == "c":
            clip, number = path.stem[1:].split("_")
            wanted.setdefault(clip, set()).add(int(number))
        else:
            picture = Image.open(data / "portraits" / f"{path.stem[1:]}.jpg").convert("RGB")
            pictures[path.stem] = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    for clip, frames in wanted.items():
        for index, frame in read_frames(data / "clips" / f"{clip}.mp4", frames):
            pictures[f"c{clip}_{index:04d}"] = frame
    names, images, alphas = [], [], []
    for name in sorted(pictures):
        alpha = np.asarray(Image.open(data / "alpha" / f"{name}.png"))
        if alpha.mean() > 255 * LEAST_COVER:
            names.append(name)
            images.append(torch.from_numpy(pictures[name].copy()).permute(2, 0, 1))  # [3, S, S]
            alphas.append(torch.from_numpy(repair(alpha).copy())[None])  # [1, S, S]
    return Pictures(names, torch.stack(images), torch.stack(alphas))


def split(data: Path, names: list[str]) -> tuple[list[int], list[int]]:
    """Indices of the training and of the held-out pictures."""
    with open(data / "clips.csv", newline="") as stream:
        held_clips = {row["clip"][:3] for row in csv.DictReader(stream) if row["split"] == "val"}
    with open(data / "portraits.csv", newline="") as stream:
        people = {row["portrait"][:3]: row["identity"] for row in csv.DictReader(stream)}
    identities = np.random.default_rng(7).permutation(sorted(set(people.values())))
    held_people = set(identities[: round(0.15 * len(identities))])
    held = [n[1:4] in held_clips if n[0] == "c" else people[n[1:4]] in held_people for n in names]
    return [i for i, h in enumerate(held) if not h], [i for i, h in enumerate(held) if h]


def fill(colour: Tensor, weight: Tensor) -> Tensor:
    """Keep [N, 3, S, S] where weight [N, 1, S, S] is one, continue it smoothly to where it is zero."""
    if colour.shape[-1] <= 2:
        mean = (colour * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(1e-4)
        return mean.expand_as(colour)  # [N, 3, S, S]
    coarse_weight = functional.avg_pool2d(weight, 2)  # [N, 1, S/2, S/2]
    coarse = functional.avg_pool2d(colour * weight, 2) / coarse_weight.clamp_min(1e-4)  # [N, 3, S/2, S/2]
    coarse = fill(coarse, (2.0 * coarse_weight).clamp_max(1.0))
    return weight * colour + (1 - weight) * functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")


def take_apart(pictures: Pictures) -> tuple[Tensor, Tensor]:
    """Foreground and background colours of every pixel, both [N, 3, S, S] uint8."""
    fronts, backs = [], []
    for first in range(0, len(pictures.names), 32):
        image = pictures.images[first : first + 32].float() / 255
        alpha = pictures.alphas[first : first + 32].float() / 255
        front = fill(image, -functional.max_pool2d(-(alpha > 0.97).float(), 3, 1, 1))
        back = fill(image, -functional.max_pool2d(-(alpha < 0.03).float(), 5, 1, 2))
        front = front + alpha * (image - alpha * front - (1 - alpha) * back)
        fronts.append((front.clamp(0, 1) * 255).round().to(torch.uint8))
        backs.append((back.clamp(0, 1) * 255).round().to(torch.uint8))
    return torch.cat(fronts), torch.cat(backs)


class Augmenter:
    """Draws training batches.

    Args:
        pictures: The training pictures.
        seed: Seed of all draws.
    """

    def __init__(self, pictures: Pictures, seed: int) -> None:
        self.pictures = pictures
        self.fronts, self.backs = take_apart(pictures)
        self.rng = np.random.default_rng(seed)
        groups: dict[str, int] = {}
        for name in pictures.names:
            groups[name[:4]] = groups.get(name[:4], 0) + 1
        clips = sum(name[0] == "c" for name in groups)
        weights = [(0.6 if n[0] == "p" else 0.4 * len(groups) / clips) / groups[n[:4]] for n in pictures.names]
        staged = np.array([0.3 if n[0] == "c" and 32 <= int(n[1:4]) <= 55 else 1.0 for n in pictures.names])
        self.weights = np.array(weights) * staged / (np.array(weights) * staged).sum()

    def batch(self, count: int, side: int) -> tuple[Tensor, Tensor]:
        """Draw pictures [B, 3, side, side] in [0, 1] and their mattes [B, 1, side, side]."""
        rng = self.rng
        chosen = rng.choice(len(self.weights), count, p=self.weights)
        other = rng.integers(0, len(self.weights), count)
        kind = rng.random(count)  # under 0.35: own background; under 0.7: another picture's; else drawn
        dyed = rng.random(count) < 0.45
        own, drawn = torch.from_numpy(kind < 0.35)[:, None, None, None], torch.from_numpy(kind >= 0.7)
        place, elsewhere = self._affine(count, 1.0), self._affine(count, 0.5)
        person = torch.cat(
            [self._dress(self.fronts[chosen], dyed), self.pictures.alphas[chosen]], dim=1
        )  # [B, 4, S, S]
        person = _warp(person, place, side)
        front, alpha = person[:, :3], person[:, 3:]
        behind = torch.where(own, self.backs[chosen], self.backs[other])
        whole = own & torch.from_numpy(~dyed)[:, None, None, None]  # the picture as it is
        behind = torch.where(whole, self.pictures.images[chosen], behind)
        behind = _warp(behind, torch.where(own[..., 0], place, elsewhere), side)
        if drawn.any():
            behind[drawn] = self._drawn(front[drawn], alpha[drawn])
        relit = self._recolour(front, 0.5)
        image = torch.where(whole, behind, relit * alpha + behind * (1 - alpha))
        return self._degrade(self._recolour(image, 0.8)), alpha

    def _affine(self, count: int, amount: float) -> Tensor:
        """[B, 2, 3] maps from output to source in [-1, 1]; people usually touch the lower edge."""
        rng = self.rng
        zoom = np.exp(rng.uniform(math.log(0.5), math.log(1.7), count))  # source per output: over 1 shrinks the person
        angle = np.radians(rng.normal(0, 9, count)) * amount
        stretch = np.exp(rng.normal(0, 0.06, count))
        mirror = rng.choice([-1.0, 1.0], count)
        room = np.abs(1 - zoom) + 0.15
        right = rng.uniform(-1, 1, count) * room
        down = np.where(
            rng.random(count) < 0.7, 1 - zoom - rng.uniform(0, 0.3, count), rng.uniform(-1, 1, count) * room
        )
        cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
        rows = [[cos * mirror * stretch, -sin, right], [sin * mirror * stretch, cos, down]]
        return torch.from_numpy(np.array(rows, np.float32)).permute(2, 0, 1).contiguous()  # [B, 2, 3]

    def _dress(self, front: Tensor, dyed: NDArray[np.bool_]) -> Tensor:
        """Dye the clothes of some people, that is, the lowest part of their pictures. [B, 3, S, S] uint8."""
        rng, side = self.rng, front.shape[-1]
        for i in np.nonzero(dyed)[0]:
            collar = int(side * rng.uniform(0.74, 0.88))
            worn = front[i, :, collar:].float() / 255  # [3, n, S]
            light = worn.mean(0, keepdim=True) ** rng.uniform(0.3, 1.2)  # [1, n, S]
            dye = torch.from_numpy(rng.uniform(0, 1, 3) ** rng.uniform(0.3, 2)).float()[:, None, None]
            if rng.random() < 0.3:
                cells = (int(rng.choice([4, 8, 16])), int(rng.choice([2, 12, 24, 48])))
                pattern = functional.interpolate(torch.rand(1, 3, *cells), size=worn.shape[1:], mode="nearest")[0]
                dye = dye + rng.uniform(0.1, 0.8) * (pattern - 0.5)  # [3, n, S]
            ramp = torch.linspace(0, 5, worn.shape[1]).clamp(0, 1)[:, None] * rng.uniform(0.5, 1)  # [n, 1]
            front[i, :, collar:] = ((worn + ramp * (light * dye - worn)).clamp(0, 1) * 255).to(torch.uint8)
        return front

    def _drawn(self, front: Tensor, alpha: Tensor) -> Tensor:
        """Backgrounds [B, 3, S, S]: plain, shaded or cloudy, white, or in the person's own colours."""
        rng, side = self.rng, front.shape[-1]
        out = torch.empty_like(front)
        for i in range(len(front)):
            mood = rng.random()
            if mood < 0.3:  # studio: light and nearly grey
                base = rng.uniform(0.75, 1.0) + rng.normal(0, 0.02, 3)
            elif mood < 0.55:  # the colour of some pixel of the person
                inside = torch.nonzero(alpha[i, 0] > 0.9)
                row, column = inside[rng.integers(len(inside))] if len(inside) else (0, 0)
                base = front[i, :, row, column].numpy() + rng.normal(0, 0.06, 3)
            else:
                base = rng.uniform(0, 1, 3)
            cells = int(rng.choice([1, 2, 2, 3, 6, 16, 48]))
            amount = rng.uniform(0.02, 0.15) if mood < 0.55 else rng.uniform(0, 0.4)
            clouds = torch.from_numpy(rng.normal(0, amount, (1, 3 if mood > 0.75 else 1, cells, cells)))
            clouds = functional.interpolate(clouds.float(), size=(side, side), mode="bicubic")
            out[i] = torch.from_numpy(base).float()[:, None, None] + clouds[0]  # [3, S, S]
        return out.clamp(0, 1)

    def _recolour(self, image: Tensor, chance: float) -> Tensor:
        """Gamma, gains, contrast and saturation, each picture its own, with the given chance."""
        rng, count = self.rng, len(image)
        on = (rng.random(count) < chance).astype(np.float32)

        def draw(spread: float, *channels: int) -> Tensor:
            values = rng.normal(0, spread, (count, *(channels or (1,)))) * on[:, None]
            return torch.from_numpy(values.astype(np.float32))[:, :, None, None]  # [B, 1 or 3, 1, 1]

        image = image.clamp(1e-3, 1) ** torch.exp(draw(0.25)) * torch.exp(draw(0.08, 3) + draw(0.12))
        grey = image.mean(1, keepdim=True)  # [B, 1, S, S]
        grey_chance = torch.from_numpy(rng.random(count) < 0.08 * on)[:, None, None, None]
        image = grey + (image - grey) * torch.where(grey_chance, 0.0, torch.exp(draw(0.25)))
        middle = image.mean((2, 3), keepdim=True)  # [B, 3, 1, 1]
        return (middle + (image - middle) * torch.exp(draw(0.15))).clamp(0, 1)

    def _degrade(self, image: Tensor) -> Tensor:
        """Loss of resolution, noise and JPEG on some of the pictures."""
        rng, side = self.rng, image.shape[-1]
        for i in range(len(image)):
            if rng.random() < 0.25:
                small = int(side * rng.uniform(0.3, 0.9))
                shrunk = functional.interpolate(image[i : i + 1], size=(small, small), mode="area")
                image[i] = functional.interpolate(shrunk, size=(side, side), mode="bilinear")[0]
            if rng.random() < 0.25:
                image[i] += torch.randn_like(image[i]) * rng.uniform(0.005, 0.04)
            if rng.random() < 0.2:
                pixels = (image[i].clamp(0, 1) * 255).to(torch.uint8).permute(1, 2, 0).numpy()  # [S, S, 3]
                stream = io.BytesIO()
                Image.fromarray(pixels).save(stream, "JPEG", quality=int(rng.integers(25, 90)))
                pixels = np.asarray(Image.open(stream))
                image[i] = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255  # [3, S, S]
        return image.clamp(0, 1)


def _warp(image: Tensor, place: Tensor, side: int) -> Tensor:
    grid = functional.affine_grid(place, [len(image), 1, side, side], align_corners=False)  # [B, side, side, 2]
    return functional.grid_sample(image.float() / 255, grid, padding_mode="border", align_corners=False)


def matte_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy + L1 + differences between neighbours at three scales, for soft hair edges."""
    alpha = logits.sigmoid()
    total = functional.binary_cross_entropy_with_logits(logits, target) + (alpha - target).abs().mean()
    for level in range(3):
        error = alpha - target
        total = total + 1.5 * (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean())
        if level < 2:
            alpha, target = functional.avg_pool2d(alpha, 2), functional.avg_pool2d(target, 2)  # [B, 1, S/2, S/2]
    return total


@torch.inference_mode()
def evaluate(net: MatteNet, pictures: Pictures) -> dict[str, float]:
    """Mean IoU (threshold 0.5) and mean absolute error, portraits and clips apart."""
    scores: dict[str, list[tuple[float, float]]] = {"portraits": [], "clips": []}
    for name, image, target in zip(pictures.names, pictures.images, pictures.alphas):
        alpha = net(image[None].float() / 255).sigmoid()[0]  # [1, S, S]
        truth = target.float() / 255
        a, b = alpha > 0.5, truth > 0.5
        scores["portraits" if name[0] == "p" else "clips"].append(
            (float((a & b).sum() / (a | b).sum()), float((alpha - truth).abs().mean()))
        )
    means = {kind: np.mean(values, axis=0) for kind, values in scores.items()}
    return {
        f"{kind}_{what}": round(float(means[kind][i]), 4) for kind in means for i, what in enumerate(("iou", "mae"))
    }


def train(args: argparse.Namespace) -> None:
    """Train for a given time; the averaged network is saved every few minutes."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    pictures = load(args.data)
    used, held = split(args.data, pictures.names)
    held_out, augmenter = pictures.part(held), Augmenter(pictures.part(used), args.seed)
    log.info("%d training pictures, %d held out", len(used), len(held))
    net = MatteNet(MatteConfig())
    if args.start:
        net.load_state_dict(torch.load(args.start, weights_only=True))
    average = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=1e-3)
    begun, saved, step, running = time.monotonic(), time.monotonic(), 0, 0.0
    while (progress := (time.monotonic() - begun) / (60 * args.minutes)) < 1:
        rate = args.rate * min(1.0, (step + 1) / 60) * (0.5 + 0.5 * math.cos(math.pi * progress)) + 1e-5
        optimiser.param_groups[0]["lr"] = rate
        image, target = augmenter.batch(args.batch, 192 if progress < args.small_part else SIDE)
        loss = matte_loss(net(image.contiguous(memory_format=torch.channels_last)), target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        decay = min(0.995, step / (step + 15))
        with torch.no_grad():
            for kept, now in zip(average.state_dict().values(), net.state_dict().values()):
                kept.lerp_(now, 1 - decay) if kept.is_floating_point() else kept.copy_(now)
        step, running = step + 1, 0.95 * running + 0.05 * loss.item()
        if step == 100 or time.monotonic() - saved > 180:
            saved = time.monotonic()
            report(average, held_out, args.work, step, running / (1 - 0.95**step), args.minutes)
    report(average, held_out, args.work, step, running, args.minutes)


def report(net: MatteNet, held_out: Pictures, folder: Path, step: int, loss: float, minutes: float) -> None:
    """Score and save a network: ``matte.pt``, ``matte.safetensors`` and ``matte.json``."""
    scores = evaluate(net, held_out)
    log.info("step %d loss %.4f %s", step, loss, scores)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), folder / "matte.pt")
    save_matte(net, folder / "matte.safetensors")
    card = {
        "config": asdict(net.config),
        "parameters": sum(p.numel() for p in net.parameters()),
        "training": {"script": "scripts/train_matte.py", "steps": step, "minutes": minutes},
        "held_out": {"pictures": len(held_out.names), **scores},
    }
    (folder / "matte.json").write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--work", type=Path, required=True, help="folder for the weights and scores")
    parser.add_argument("--minutes", type=float, default=30.0, help="training time")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--small-part", type=float, default=0.5, help="part of the time that runs at 192 px")
    parser.add_argument("--start", type=Path, help="matte.pt to continue from")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
