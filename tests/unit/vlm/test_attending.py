"""What a target attends to is told as places, and found again by another model: alike where both cut alike."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from shared.speculation.attended import SIDE, Attended
from shared.vlm.attending import lying_there, told
from shared.vlm.places import Places, Tile, tiled

sides = st.integers(1, 12)


@st.composite
def places(draw: st.DrawFn) -> Places:
    """Pictures as families cut them: a grid, a grid whose rows end in a token, tiles and the whole beside them."""
    pictures: list[tuple[Tile, ...]] = []
    for _ in range(draw(st.integers(1, 3))):
        rows, columns = draw(sides), draw(sides)
        match draw(st.sampled_from(["grid", "row ends", "tiles"])):
            case "grid":
                pictures.append((Tile(rows, columns),))
            case "row ends":
                pictures.append((Tile(rows, columns, row_ends=True),))
            case _:
                pictures.append((*tiled(draw(st.integers(1, 3)), 2, 4), Tile(3, 3)))
    return Places.of(pictures)


@given(places(), st.data())
def test_where_both_cut_alike_the_tokens_are_the_same(there: Places, data: st.DataObject) -> None:
    tokens = sorted(data.draw(st.sets(st.integers(0, len(there.boxes) - 1))))
    attended = told(there, torch.tensor(tokens, dtype=torch.long))
    assert attended.count == len(tokens)
    assert lying_there(attended, there, len(tokens)) == tuple(tokens)


@given(places(), places(), st.data())
def test_never_more_than_asked_for_and_in_order(target: Places, draft: Places, data: st.DataObject) -> None:
    tokens = data.draw(st.sets(st.integers(0, len(target.boxes) - 1)))
    count = data.draw(st.integers(0, len(draft.boxes)))
    kept = lying_there(told(target, torch.tensor(sorted(tokens), dtype=torch.long)), draft, count)
    assert len(kept) <= count
    assert list(kept) == sorted(set(kept))
    assert all(0 <= token < len(draft.boxes) for token in kept)


def test_a_finer_draft_keeps_what_lies_in_the_boxes() -> None:
    target, draft = Places.of([(Tile(2, 2),)]), Places.of([(Tile(4, 4),)])
    # the upper right quarter of the picture
    assert lying_there(told(target, torch.tensor([1])), draft, 4) == (2, 3, 6, 7)


def test_a_coarser_draft_keeps_where_most_boxes_are() -> None:
    target, draft = Places.of([(Tile(4, 4),)]), Places.of([(Tile(2, 2),)])
    attended = told(target, torch.tensor([0, 2, 3, 12, 13, 8]))  # one above left, two above right, three below left
    assert lying_there(attended, draft, 1) == (2,)
    assert lying_there(attended, draft, 2) == (1, 2)


def test_a_token_of_the_whole_is_not_taken_for_those_of_its_parts() -> None:
    there = Places.of([(*tiled(2, 2, 4), Tile(2, 2))])
    attended = told(there, torch.tensor([64, 5]))  # the whole picture's upper left quarter, and one of a tile
    assert lying_there(attended, there, 2) == (5, 64)


def test_another_picture_is_another_place() -> None:
    there = Places.of([(Tile(2, 2),), (Tile(2, 2),)])
    assert lying_there(told(there, torch.tensor([6])), there, 1) == (6,)
    elsewhere = Attended(((), (), ((0, 0, SIDE, SIDE),)))  # of a third picture, which nobody has
    assert lying_there(elsewhere, there, 4) == ()
    assert lying_there(Attended(()), there, 4) == ()


def test_without_pictures_there_is_nothing_to_tell() -> None:
    assert told(Places.of([]), torch.zeros(0, dtype=torch.long)) == Attended(())
