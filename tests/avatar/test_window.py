"""The part of the map that expressions move."""

from __future__ import annotations

import torch

from mggtalk.avatar.window import MovingWindow


def make(side: int = 128) -> tuple[torch.Tensor, MovingWindow]:
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[10:100, 20:110] = True
    rows, columns = mask.nonzero().unbind(-1)
    share = ((rows > 40) & (rows < 70) & (columns > 50) & (columns < 90)).float()
    return mask, MovingWindow.of(mask, share)


def test_the_window_holds_all_moving_points_on_the_grid_of_the_decoders() -> None:
    _, window = make()
    first_row, end_row, first_column, end_column = window.bounds.tolist()
    assert first_row <= 41 and end_row >= 70 and first_column <= 51 and end_column >= 90
    assert (end_row - first_row) % 32 == 0 and (end_column - first_column) % 32 == 0
    assert first_row % 4 == 0 and first_column % 4 == 0


def test_what_is_scattered_is_gathered_again() -> None:
    mask, window = make()
    values = torch.randn(int(mask.sum()), 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(window.gather(window.scatter(values))[0], values[window.points])


def test_several_maps_at_once() -> None:
    mask, window = make()
    values = torch.randn(3, int(mask.sum()), 2, generator=torch.Generator().manual_seed(0))
    maps = window.scatter(values)
    assert torch.equal(maps, torch.cat([window.scatter(part) for part in values]))
    assert torch.equal(window.gather(maps), values[:, window.points])


def test_scatter_and_crop_see_the_same_pixels() -> None:
    mask, window = make()
    values = torch.arange(float(mask.sum()))[:, None]
    whole = torch.zeros(1, 1, *mask.shape)
    whole[0, :, mask] = values.T
    assert torch.equal(window.crop(whole, 1), window.scatter(values))
    assert window.crop(whole[..., ::4, ::4], 4).shape[-1] * 4 == window.scatter(values).shape[-1]


def test_a_small_map_is_its_own_window() -> None:
    mask = torch.ones(16, 16, dtype=torch.bool)
    assert MovingWindow.of(mask, torch.ones(256)).bounds.tolist() == [0, 16, 0, 16]
    assert MovingWindow.of(mask, torch.zeros(256)).bounds.tolist() == [0, 16, 0, 16]
