"""The rooms that are made when they are first entered, each with its desk, and what only one of
them asks of the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.room import Room

if TYPE_CHECKING:
    from app.atelier import Atelier
    from app.easel import Easel
    from app.page import Page
    from app.portrait import Portrait
    from app.reverie import Reverie
    from app.slide import Slide
    from app.window import MainWindow

    Table = Easel | Portrait | Atelier | Slide | Page | Reverie  # what lies on the desk of a room


def made(window: MainWindow, id: str) -> tuple[Room, Table]:
    return {
        "paint": _paint, "translate": _translate, "faces": _faces, "style": _style,
        "words": _words, "dream": _dream,
    }[id](window)  # fmt: skip


def _paint(window: MainWindow) -> tuple[Room, Easel]:
    from app.mapping import Mapping
    from app.mapsheet import MapSheet
    from app.paint import PaintRoom

    window.paint = PaintRoom(window.actions_)
    window.map = MapSheet(window.paint, window.studio)
    window.mapping = Mapping(window, window.paint, window.map)
    return window.paint, window.map


def _faces(window: MainWindow) -> tuple[Room, Portrait]:
    from app.faces import FacesRoom
    from app.portrait import Portrait

    room = FacesRoom(window.actions_)
    desk = Portrait(room, window.studio)
    room.others_wanted.connect(window.asking.for_others)
    room.strip.save_wanted.connect(lambda: window.asking.for_still(desk.sheet))
    return room, desk


def _style(window: MainWindow) -> tuple[Room, Atelier]:
    from app.atelier import Atelier
    from app.style import StyleRoom

    room = StyleRoom(window.actions_)
    desk = Atelier(room, window.studio)
    room.style_wanted.connect(lambda: window.asking.for_photo(room.style_well.set_picture))
    room.video_wanted.connect(window.asking.for_video)
    room.film_wanted.connect(lambda: window.asking.for_painted_film(desk))
    return room, desk


def _words(window: MainWindow) -> tuple[Room, Page]:
    from app.page import Page
    from app.words import WordsRoom

    room = WordsRoom(window.actions_)
    desk = Page(room, window.studio)
    room.told.copy_wanted.connect(window.copy_caption)
    room.film_wanted.connect(lambda: window.asking.for_way(desk.offers.way_rows))
    room.strip.save_wanted.connect(lambda: window.asking.for_still(desk.offers.sheet))
    room.learn_wanted.connect(window.asking.for_attention)
    return room, desk


def _dream(window: MainWindow) -> tuple[Room, Reverie]:
    from app.dream import DreamRoom
    from app.reverie import Reverie

    room = DreamRoom(window.actions_)
    room.guide_wanted.connect(lambda: window.asking.for_well(room.guide))
    room.guide.files_dropped.connect(lambda files: window.asking.into_well(room.guide, files))
    room.film_wanted.connect(lambda: window.asking.for_journey(room.film))
    return room, Reverie(room, window.studio)


def _translate(window: MainWindow) -> tuple[Room, Slide]:
    from app.slide import Slide
    from app.translate import TranslateRoom

    room = TranslateRoom(window.actions_)
    desk = Slide(room, window.studio)
    desk.refused.connect(window.tell)
    room.truth.clicked.connect(lambda: window.asking.for_well(room.truth))
    room.truth.files_dropped.connect(lambda files: window.asking.into_well(room.truth, files))
    return room, desk
