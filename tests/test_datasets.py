"""Image sets: what is split from what, faults named all at once, the cache, and safe downloads."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from indi.data import datasets
from indi.data.datasets import cache
from indi.data.datasets.fetch import download, unpack
from indi.data.datasets.image_set import ImageSet
from indi.data.datasets.known import SOURCES, Download
from indi.data.images import read_image, write_image
from indi.errors import InDIError

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INDI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def picture(height: int = 12, width: int = 16) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def put(path: Path, image: np.ndarray | None = None) -> np.ndarray:
    image = picture() if image is None else image
    write_image(path, image)
    return image


def pairs(base: Path, count: int, first: str = "input", second: str = "target") -> None:
    for i in range(count):
        put(base / first / f"{i:03}.png")
        put(base / second / f"{i:03}.png")


def image_set(**changes: object) -> ImageSet:
    images = (np.zeros((4, 6, 3), np.uint8), np.ones((8, 5, 3), np.uint8))
    parts: dict = {"name": "s", "split": "train", "names": ("a", "b"), "images": images}
    return ImageSet(**{**parts, **changes})


# ---- the set itself


def test_hash_depends_on_names_shapes_and_pixels_only() -> None:
    whole = image_set().hash
    assert whole == image_set(name="other").hash
    a, b = image_set().images
    assert whole != image_set(names=("a", "c")).hash
    assert whole != image_set(images=(a.reshape(6, 4, 3), b)).hash
    changed = b.copy()
    changed[7, 4, 2] = 2
    assert whole != image_set(images=(a, changed)).hash
    assert whole != image_set(inputs=(a, b)).hash


def test_a_set_whose_parts_do_not_fit_is_refused() -> None:
    a, b = image_set().images
    with pytest.raises(InDIError, match="different names"):
        image_set(names=("a", "a"))
    with pytest.raises(InDIError, match=r"differ: b"):
        image_set(inputs=(a, b[:5]))
    with pytest.raises(InDIError, match="1 inputs"):
        image_set(inputs=(a,))


def test_every_image_that_is_too_small_is_named() -> None:
    datasets.require_size(image_set(), 4)
    with pytest.raises(InDIError, match=r"1 of 2 images.*5x5 crop.*a \(4x6\)") as caught:
        datasets.require_size(image_set(), 5)
    assert "b (" not in str(caught.value)
    with pytest.raises(InDIError, match=r"a \(4x6\), b \(8x5\)"):
        datasets.require_size(image_set(), 6)


def test_unknown_names_and_splits() -> None:
    with pytest.raises(InDIError, match=r"unknown data set 'embeded'.*'embedded'"):
        datasets.load("embeded", "train")
    with pytest.raises(InDIError, match=r"unknown data set 'bsds50'.*'bsds500'"):
        datasets.load("bsds50+photos", "train")
    with pytest.raises(InDIError, match=r"unknown split 'val'.*evaluate"):
        datasets.load("embedded", "val")


# ---- embedded photographs


def test_embedded_photographs_need_no_network() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from indi import datasets\n"
        "assert len(datasets.load('embedded', 'train')) == 5\n"
        "assert len(datasets.load('embedded', 'evaluate')) == 3\n"
        "assert 'skimage' not in sys.modules and 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_embedded_splits_share_no_scene() -> None:
    train, evaluate = (datasets.load("embedded", split) for split in datasets.SPLITS)
    scenes = [{n.removesuffix("_left").removesuffix("_right") for n in s.names} for s in (train, evaluate)]
    assert not scenes[0] & scenes[1]
    assert {"motorcycle_left", "motorcycle_right"} <= set(train.names)
    assert all(min(x.shape[:2]) >= 128 and x.dtype == np.uint8 for x in train.images + evaluate.images)
    # colour, not grey repeated
    assert all(np.ptp(x.astype(int), axis=2).mean() > 3 for x in train.images + evaluate.images)


# ---- published layouts


def test_gopro_layout(root: Path) -> None:
    for split, scene in (("train", "GOPR1"), ("train", "GOPR0"), ("test", "GOPR2")):
        pairs(root / "GoPro" / split / scene, 2, "blur", "sharp")
        put(root / "GoPro" / split / scene / "blur_gamma" / "000.png")
    train = datasets.load("gopro", "train", root)
    assert train.names == ("GOPR0/000", "GOPR0/001", "GOPR1/000", "GOPR1/001")
    assert train.inputs is not None
    folder = root / "GoPro" / "train" / "GOPR1"
    np.testing.assert_array_equal(train.images[2], read_image(folder / "sharp" / "000.png"))
    np.testing.assert_array_equal(train.inputs[2], read_image(folder / "blur" / "000.png"))
    assert datasets.load("gopro", "evaluate", root).names == ("GOPR2/000", "GOPR2/001")


def test_div2k_layouts(root: Path) -> None:
    small = put(root / "DIV2K" / "DIV2K_train_LR_bicubic" / "X4" / "0001x4.png", picture(3, 4))
    large = put(root / "DIV2K" / "DIV2K_train_HR" / "0001.png")
    put(root / "DIV2K" / "DIV2K_valid_HR" / "0801.png")
    plain = datasets.load("div2k", "train", root)
    assert plain.inputs is None
    np.testing.assert_array_equal(plain.images[0], large)
    paired = datasets.load("div2k_x4", "train", root)
    assert paired.names == ("0001",)
    assert paired.inputs is not None
    assert paired.inputs[0].shape == large.shape
    # bilinear: outside the centres of the small image its border value continues
    corner = small[0, 0].astype(float)
    np.testing.assert_allclose(paired.inputs[0][0, 0], corner, atol=1)
    put(root / "DIV2K" / "DIV2K_train_HR" / "0001.png", picture(16, 16))
    with pytest.raises(InDIError, match=r"0001x4\.png: 3x4 is not a quarter"):
        datasets.load("div2k_x4", "train", root)


def test_dpdd_pairs_by_order_when_names_differ(root: Path) -> None:
    base = root / "DPDD" / "test_c"
    for i in (2, 4):
        put(base / "source" / f"1P0A{i}.png")
        put(base / "target" / f"1P0A{i - 1}.png")
    found = datasets.load("dpdd", "evaluate", root)
    assert found.names == ("1P0A2", "1P0A4")
    np.testing.assert_array_equal(found.images[1], read_image(base / "target" / "1P0A3.png"))
    (base / "target" / "1P0A3.png").unlink()
    with pytest.raises(InDIError, match="2 inputs, 1 targets"):
        datasets.load("dpdd", "evaluate", root)


def test_celeba_is_cropped_and_split_as_published(root: Path) -> None:
    image = np.zeros((218, 178, 3), np.uint8)
    image[39:179, 19:159] = 200  # the central 140x140
    folder = root / "img_align_celeba"
    for number in (1, 162_770, 162_771, 182_638):
        write_image(folder / f"{number:06}.png", image)
    train = datasets.load("celeba", "train", root)
    assert train.names == ("000001", "162770")
    assert train.images[0].shape == (64, 64, 3)
    assert (train.images[0] == 200).all()
    assert datasets.load("celeba", "evaluate", root).names == ("182638",)
    write_image(folder / "000002.png", image[:109, :89])
    with pytest.raises(InDIError, match=r"000002\.png: 109x89 does not fit"):
        datasets.load("celeba", "train", root)


def test_folder_of_pairs(root: Path) -> None:
    pairs(root / "mine", 10)
    train, evaluate = (datasets.load(f"folder:{root / 'mine'}", s) for s in datasets.SPLITS)
    assert train.names == tuple(f"{i:03}" for i in range(8))
    assert evaluate.names == ("008", "009")
    np.testing.assert_array_equal(evaluate.images[0], read_image(root / "mine" / "target" / "008.png"))
    pairs(root / "own" / "train", 3)
    pairs(root / "own" / "evaluate", 1)
    assert len(datasets.load(f"folder:{root / 'own'}", "train")) == 3
    assert len(datasets.load(f"folder:{root / 'own'}", "evaluate")) == 1
    with pytest.raises(InDIError, match="no images found"):
        datasets.load(f"folder:{root / 'absent'}", "train")


def test_joined_sets(root: Path) -> None:
    for split in ("train", "test", "val"):
        put(root / "bsds500" / split / f"{split}.png")
    put(root / "photos" / "p.png")
    train = datasets.load("bsds500+photos", "train", root)
    assert train.names == ("bsds500/train", "bsds500/test", "photos/p")
    assert datasets.load("bsds500+photos", "evaluate", root).names == ("bsds500/val",)
    with pytest.raises(InDIError, match="none of photos"):
        datasets.load("photos+photos", "evaluate", root)
    pairs(root / "GoPro" / "train" / "s", 1, "blur", "sharp")
    with pytest.raises(InDIError, match=r"photos \(unpaired\), gopro \(paired\)"):
        datasets.load("photos+gopro", "train", root)


# ---- faults, all at once


def faulty(root: Path) -> str:
    pairs(root / "mine", 10)
    (root / "mine" / "input" / "001.png").write_bytes(b"")
    (root / "mine" / "target" / "003.png").write_bytes(b"no image")
    put(root / "mine" / "input" / "005.png", picture(3, 3))
    return f"folder:{root / 'mine'}"


def test_all_damaged_files_are_named_in_one_line(root: Path, own_cache: Path) -> None:
    name = faulty(root)
    with pytest.raises(InDIError) as caught:
        datasets.load(name, "train")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("3 unusable", "input/001.png", "target/003.png", "input/005.png: 3x3"):
        assert part in message
    assert not list(own_cache.rglob("*.npy"))
    assert not [p for p in own_cache.rglob("*") if "partial" in p.name]


def test_links_out_of_a_folder_are_not_followed(root: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "b.png")
    for part in ("input", "target"):
        put(root / "mine" / part / "a.png")
        put(root / "mine" / part / "c.png")
        (root / "mine" / part / "b.png").symlink_to(tmp_path / "elsewhere" / "b.png")
        (root / "mine" / part / "d.png").symlink_to("c.png")
    name = f"folder:{root / 'mine'}"
    with pytest.raises(InDIError, match=r"b\.png \(a link out of the folder is not followed\)"):
        datasets.load(name, "train")
    for part in ("input", "target"):
        (root / "mine" / part / "b.png").unlink()
    assert datasets.load(name, "train").names == ("a", "c")


def test_all_unmatched_files_are_named(root: Path) -> None:
    pairs(root / "mine", 3)
    put(root / "mine" / "input" / "x.png")
    put(root / "mine" / "target" / "y.png")
    write_image(root / "mine" / "target" / "z.png", picture())
    (root / "mine" / "input" / "001.bmp").write_bytes(b"a second 001")
    with pytest.raises(InDIError, match="4 files without a counterpart") as caught:
        datasets.load(f"folder:{root / 'mine'}", "train")
    assert all(f in str(caught.value) for f in ("input/x.png", "y.png", "z.png", "input/001."))


def test_check_reports_everything(root: Path) -> None:
    name = faulty(root)
    put(root / "mine" / "target" / "lonely.png")
    report = datasets.check(name)
    assert not report.ok
    assert report.present == {"train": 8, "evaluate": 2}
    assert len(report.damaged) == 3
    assert [Path(u).name for u in report.unmatched] == ["lonely.png"]
    (root / "empty" / "input").mkdir(parents=True)
    (root / "empty" / "target").mkdir()
    for folder in ("absent", "empty"):
        assert not datasets.check(f"folder:{root / folder}").ok


def test_check_lists_missing_numbers(root: Path) -> None:
    for number in range(1, 801):
        if number not in (7, 300):
            (root / "DIV2K_train_HR").mkdir(exist_ok=True)
            (root / "DIV2K_train_HR" / f"{number:04}.png").write_bytes(b"x")
    report = datasets.check("div2k", root, decode=False)
    assert report.missing[0] == "train: 2 of 800: 0007, 0300"
    assert "DIV2K_valid_HR" in report.missing[1]
    assert len(report.missing) == 2
    assert datasets.check("embedded").ok


# ---- cache


def test_cache_is_one_read_only_map_and_is_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = put(root / "photos" / "a.png")
    second = put(root / "photos" / "b.png", picture(9, 7))
    a = datasets.load("photos", "train", root)

    def refuse(path: Path) -> np.ndarray:
        raise AssertionError(path)

    monkeypatch.setattr("indi.data.datasets.files.read_image", refuse)
    b = datasets.load("photos", "train", root)
    for found in (a, b):
        np.testing.assert_array_equal(found.images[0], first)
        np.testing.assert_array_equal(found.images[1], second)
        assert not found.images[0].flags.writeable
    assert a.hash == b.hash == image_set(names=("a", "b"), images=(first, second)).hash
    flat = np.load(next(cache.folder().glob("*.npy")))
    np.testing.assert_array_equal(flat, np.concatenate([first.ravel(), second.ravel()]))


def test_cache_notices_exchanged_added_and_spoilt_files(root: Path, own_cache: Path) -> None:
    put(root / "photos" / "a.png")
    before = datasets.load("photos", "train", root)
    changed = put(root / "photos" / "a.png")
    os.utime(root / "photos" / "a.png", ns=(1, 1))  # whatever the clock's grain
    after = datasets.load("photos", "train", root)
    np.testing.assert_array_equal(after.images[0], changed)
    assert before.hash != after.hash
    assert len(list(own_cache.rglob("*.npy"))) == 1  # the stale one is gone
    put(root / "photos" / "b.png")
    assert len(datasets.load("photos", "train", root)) == 2
    stored = next(own_cache.rglob("*.npy"))
    stored.write_bytes(stored.read_bytes()[:-5])
    assert len(datasets.load("photos", "train", root)) == 2
    next(own_cache.rglob("*.json")).write_text("{")
    np.testing.assert_array_equal(datasets.load("photos", "train", root).images[0], changed)


# ---- archives


def zipped(path: Path, members: dict[str, bytes], link: str | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo("link")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, link)
    return path


def tarred(path: Path, members: dict[str, bytes], link: str | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("link")
            info.type, info.linkname = tarfile.SYMTYPE, link
            archive.addfile(info)
    return path


@pytest.mark.parametrize("make", [zipped, tarred])
def test_archives_are_unpacked(tmp_path: Path, make: object) -> None:
    archive = make(tmp_path / "a", {"d/one": b"1", "two": b"22"})  # type: ignore[operator]
    (tmp_path / "out" / "d").mkdir(parents=True)
    (tmp_path / "out" / "d" / "mine").write_text("kept")
    unpack(archive, tmp_path / "out")
    found = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == {"d/one", "two", "d/mine"}
    assert (tmp_path / "out" / "two").read_bytes() == b"22"


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize(
    ("member", "link"),
    [
        ("../evil", None),
        ("/tmp/evil", None),
        ("..\\evil", None),
        ("good", "/etc/passwd"),
        ("good", "../evil"),
    ],
)
def test_malicious_archives_write_nothing_outside(
    tmp_path: Path, make: object, member: str, link: str | None
) -> None:
    archive = make(tmp_path / "a", {"fine": b"1", member: b"2"}, link)  # type: ignore[operator]
    with contextlib.suppress(InDIError):  # a tar is refused, names in a zip are made harmless
        unpack(archive, tmp_path / "deep" / "out")
    outside = {p.name for p in tmp_path.rglob("*") if not p.is_relative_to(tmp_path / "deep" / "out")}
    assert outside == {"a", "deep"}
    assert not Path("/tmp/evil").exists()
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(InDIError, match=r"no\.zip cannot be unpacked"):
        unpack(tmp_path / "no.zip", tmp_path / "out")
    whole = tarred(tmp_path / "a.tgz", {"x": RNG.bytes(50_000)}).read_bytes()
    (tmp_path / "a.tgz").write_bytes(whole[:30_000])
    with pytest.raises(InDIError, match=r"a\.tgz cannot be unpacked"):
        unpack(tmp_path / "a.tgz", tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*"))


# ---- downloads, from a server of our own


class Server(ThreadingHTTPServer):
    """Serves `content`; the first answer breaks off after `cut` bytes."""

    content = b""
    cut: int | None = None
    tag = '"1"'
    asked: list[str | None]
    sent = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        same = self.headers.get("If-Range") == self.server.tag
        start = int(wanted[6:-1]) if wanted and same else 0
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.server.tag)
        self.end_headers()
        if self.server.cut is not None:
            body, self.server.cut = body[: self.server.cut], None
        self.server.sent += len(body)
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def benchmark(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Set5 as an archive on our server."""
    members = {}
    for i in range(5):
        put(tmp_path / "x.png", picture(60, 60))
        members[f"benchmark/Set5/HR/{i}.png"] = (tmp_path / "x.png").read_bytes()
    server.content = tarred(tmp_path / "b.tar", members).read_bytes()
    checksum = "sha256:" + hashlib.sha256(server.content).hexdigest()
    use(server, checksum, monkeypatch)
    return server


def use(server: Server, checksum: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{server.server_port}/some/where/b.tar"
    changed = replace(SOURCES["set5"], downloads=(Download(url, checksum),))
    monkeypatch.setitem(SOURCES, "set5", changed)


def test_fetch_unpacks_checks_and_does_not_repeat(benchmark: Server, root: Path) -> None:
    assert not datasets.check("set5", root).ok
    assert datasets.fetch("set5", root)[0]
    assert len(datasets.load("set5", "evaluate", root)) == 5
    assert datasets.fetch("set5", root)[1].endswith("Nothing to fetch.")
    assert len(benchmark.asked) == 1
    assert not list((root / ".downloads").iterdir())


def test_without_a_published_checksum_the_first_download_is_trusted(
    benchmark: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(benchmark, None, monkeypatch)
    first = hashlib.sha256(benchmark.content).hexdigest()
    assert datasets.fetch("set5", root)[0]
    (record,) = (root / ".downloads").iterdir()
    assert record.read_text().strip() == first
    picture = next(root.rglob("*.png"))
    picture.unlink()
    assert datasets.fetch("set5", root)[0]
    picture.unlink()
    benchmark.content = tarred(tmp_path / "other.tar", {"benchmark/Set5/HR/0.png": b"another"}).read_bytes()
    with pytest.raises(InDIError, match=r"checksum .*first download .*\.sha256"):
        datasets.fetch("set5", root)
    assert not picture.exists()


def test_fetch_leaves_the_parts_that_are_there(
    server: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small DIV2K images are put beside the large ones, which are not fetched again."""
    put(tmp_path / "x.png", picture(3, 4))
    small = {f"DIV2K_{p}_LR_bicubic/X4/{n}x4.png": p for p, n in (("train", "0001"), ("valid", "0801"))}
    content = (tmp_path / "x.png").read_bytes()
    server.content = zipped(tmp_path / "s.zip", dict.fromkeys(small, content)).read_bytes()
    url = f"http://127.0.0.1:{server.server_port}/s.zip"
    downloads = (
        Download("http://127.0.0.1:1/hr.zip", folder="DIV2K", provides=("DIV2K_train_HR", 1)),
        Download(url, folder="DIV2K", provides=("DIV2K_train_LR_bicubic/X4", 1)),
    )
    splits = {split: replace(files, count=1) for split, files in SOURCES["div2k_x4"].splits.items()}
    changed = replace(SOURCES["div2k_x4"], downloads=downloads, splits=splits)
    monkeypatch.setitem(SOURCES, "div2k_x4", changed)
    put(root / "DIV2K_train_HR" / "0001.png")
    put(root / "DIV2K_valid_HR" / "0801.png")
    assert datasets.fetch("div2k_x4", root)[0]
    assert len(server.asked) == 1
    assert len(datasets.load("div2k_x4", "train", root)) == 1


def test_fetch_resumes_where_it_broke_off(benchmark: Server, root: Path) -> None:
    benchmark.cut = 20_000
    with pytest.raises(InDIError, match=r"broke off.*Run the same command again"):
        datasets.fetch("set5", root)
    assert datasets.fetch("set5", root)[0]
    assert benchmark.asked == [None, "bytes=20000-"]
    assert benchmark.sent == len(benchmark.content)


def test_fetch_starts_anew_when_the_file_changed_upstream(benchmark: Server, root: Path) -> None:
    benchmark.cut = 20_000
    with pytest.raises(InDIError, match="broke off"):
        datasets.fetch("set5", root)
    benchmark.tag = '"2"'
    assert datasets.fetch("set5", root)[0]
    assert benchmark.sent == len(benchmark.content) + 20_000


def test_fetch_refuses_a_wrong_checksum(
    benchmark: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(benchmark, "sha256:" + "0" * 64, monkeypatch)
    with pytest.raises(InDIError, match="checksum"):
        datasets.fetch("set5", root)
    assert not list(root.rglob("*.png"))
    assert not list((root / ".downloads").iterdir())


def answering(answer: bytes) -> str:
    """The address of a server that says this, whatever it is asked."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/a/b/c.zip"


@pytest.mark.parametrize(
    "answer",
    [
        b"no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_is_one_line(root: Path, answer: bytes) -> None:
    with pytest.raises(InDIError, match=r"broke off|sends no file") as caught:
        download(Download(answering(answer)), root)
    assert len(str(caught.value).splitlines()) == 1
    assert not list((root / ".downloads").glob("*.sha256"))


def test_what_is_no_archive_is_not_trusted_as_the_first_download(
    benchmark: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a network sends its sign-in page instead of the file."""
    use(benchmark, None, monkeypatch)
    archive, benchmark.content = benchmark.content, b"<html>please sign in</html>"
    with pytest.raises(InDIError, match="cannot be unpacked"):
        datasets.fetch("set5", root)
    (page,) = (root / ".downloads").iterdir()
    page.unlink()  # as the message says
    benchmark.content = archive
    assert datasets.fetch("set5", root)[0]


def test_no_network_is_one_line(root: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    item = Download(f"http://127.0.0.1:{port}/a/b/c.zip")
    with pytest.raises(InDIError, match=r"broke off.*Run the same command again"):
        download(item, root)


# ---- the real stand-ins


@pytest.mark.parametrize(
    ("name", "sizes", "paired", "shape"),
    [
        ("bsds500", (400, 100), False, (321, 481, 3)),
        ("photos", (719, None), False, None),
        ("set5", (None, 5), False, (512, 512, 3)),
        ("set14", (None, 14), False, None),
        ("levin", (None, 32), True, (255, 255, 3)),
        ("lytro", (None, 20), True, (520, 520, 3)),
    ],
)
def test_real_sets(
    data_root: Path,
    name: str,
    sizes: tuple[int | None, int | None],
    paired: bool,
    shape: tuple[int, ...] | None,
) -> None:
    assert datasets.check(name, data_root, decode=False).ok
    for split, size in zip(datasets.SPLITS, sizes, strict=True):
        if size is not None:
            found = datasets.load(name, split, data_root)
            assert len(found) == size
            assert (found.inputs is not None) == paired
            assert shape is None or found.images[0].shape in (shape, (shape[1], shape[0], 3))


def test_levin_truth_and_input_belong_together(data_root: Path) -> None:
    """Each blurred image is closest to its own truth."""
    found = datasets.load("levin", "evaluate", data_root)
    assert found.inputs is not None
    truths = {n.split("_")[0]: x for n, x in zip(found.names, found.images, strict=True)}
    for name, y in zip(found.names, found.inputs, strict=True):
        errors = {k: np.square(x.astype(float) - y).mean() for k, x in truths.items()}
        assert min(errors, key=errors.__getitem__) == name.split("_")[0]


def test_reduced_faces_are_split_by_file(data_root: Path) -> None:
    report = datasets.check("celeba_reduced", data_root, decode=False)
    assert report.ok
    assert report.present == {"train": 7000, "evaluate": 1000}
    evaluate = datasets.load("celeba_reduced", "evaluate", data_root)
    assert evaluate.names[0] == "007001"
    assert evaluate.images[0].shape == (64, 64, 3)
