"""A store holds what was written and counted, at a cost that does not grow with what it holds."""

from __future__ import annotations

import torch
from torch import Tensor

from shared.vlm.store import Store


def states(first: int, count: int) -> tuple[Tensor, Tensor]:
    """Keys and values of `count` tokens that tell their number."""
    numbers = torch.arange(first, first + count, dtype=torch.float32)[None, None, :, None]
    return numbers.expand(1, 2, count, 4), -numbers.expand(1, 2, count, 3)


def test_what_is_written_is_held_in_order_and_by_layer() -> None:
    store = Store()
    for count in (1, 7, 60, 1, 200):
        for layer in (0, 5):
            keys, values = store.write(layer, *(part + layer for part in states(store.length, count)))
            expected = states(0, store.length + count)
            assert (keys == expected[0] + layer).all()
            assert (values == expected[1] + layer).all()
        store.length += count


def test_what_is_not_counted_or_forgotten_is_overwritten() -> None:
    store = Store()
    store.write(0, *states(100, 5))  # a forward that failed
    store.write(0, *states(0, 3))
    store.length = 3
    store.write(0, *states(200, 4))
    store.length = 7
    store.length = 2  # two stand
    keys, values = store.write(0, *states(2, 2))
    assert (keys == states(0, 4)[0]).all()
    assert (values == states(0, 4)[1]).all()


def test_a_buffer_grows_by_doubling() -> None:
    """A thousand writes of one token copy what is held a few times, not a thousand times."""
    store, buffers = Store(), set()
    for token in range(1000):
        keys, _ = store.write(0, *states(token, 1))
        store.length += 1
        buffers.add(keys.untyped_storage().nbytes())
    assert len(buffers) == 5  # 64, 128, 256, 512, 1024 slots


def test_growing_between_two_layers_loses_nothing() -> None:
    """The first layer has grown when the forward fails; the next one writes less."""
    store = Store()
    for layer in (0, 1):
        store.write(layer, *states(0, 60))
    store.length = 60
    store.write(0, *states(500, 100))
    for layer in (0, 1):
        keys, values = store.write(layer, *states(60, 2))
        assert (keys == states(0, 62)[0]).all()
        assert (values == states(0, 62)[1]).all()


def test_a_fork_and_its_source_do_not_see_each_other_and_the_source_copies_nothing() -> None:
    store = Store()
    store.write(0, *states(0, 5))
    store.length = 5
    before, _ = store.write(0, *states(5, 1))
    fork = store.fork()
    theirs, _ = fork.write(0, *states(90, 2))
    mine, _ = store.write(0, *states(5, 2))
    assert mine.data_ptr() == before.data_ptr()
    assert theirs[0, 0, :, 0].tolist() == [0, 1, 2, 3, 4, 90, 91]
    assert mine[0, 0, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    other = store.fork()
    store.length = 2
    store.write(0, *states(70, 1))
    seen, _ = other.write(0, *states(5, 1))
    assert seen[0, 0, :, 0].tolist() == [0, 1, 2, 3, 4, 5]
