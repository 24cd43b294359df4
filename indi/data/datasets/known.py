"""The known image sets, an entry each: what it is, its terms, how to come by it, and how it lies on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from indi.data.datasets.image_set import Split


@dataclass(frozen=True)
class Files:
    """One split of a whole copy.

    Attributes:
        count: of images (pairs).
        targets: folders of the truths. inputs: folder of the degraded images; "" where there are none.
            A star stands for any one folder, whose name goes before the images'.
        numbers: first and last number and digits of the truths' names, where files are numbered; others
            are left out.
    """

    count: int
    targets: tuple[str, ...]
    inputs: str = ""
    numbers: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Download:
    """An archive that can be fetched without accepting anything.

    `checksum` is "sha256:..."; None where nobody publishes one: then that of the first download holds.
    `folder`, under the data root, is where it is unpacked. `provides` is a folder that it brings, and the
    number of its images.
    """

    url: str
    checksum: str | None = None
    folder: str = ""
    provides: tuple[str, int] | None = None


@dataclass(frozen=True)
class Source:
    """What a set is, how to come by it, and how it lies on disk.

    Attributes:
        title: one line. licence: terms of use. url: the authors' page. size: of the download.
        folders: where it may lie under the data root; the first that holds any of its files counts.
        splits: those it has.
        note: on its files.
        names: pattern of the inputs' stems; its first group is the image's name, its last the target's stem.
        in_order: pairs are formed by order where the names differ.
        decoding: how files become arrays, see `files.DECODERS`.
        packaged: its files are paths within installed packages.
        downloads: what `fetch` gets. by_hand: the steps where there is nothing to fetch.
    """

    title: str
    licence: str
    url: str
    size: str
    folders: tuple[str, ...]
    splits: dict[Split, Files]
    note: str = ""
    names: str = "(.+)"
    in_order: bool = False
    decoding: str = "plain"
    packaged: bool = False
    downloads: tuple[Download, ...] = ()
    by_hand: str = ""

    def place(self, split: Split) -> str:
        """Where the files of a split are expected under the data root, for readers."""
        files = self.splits[split]
        inside = (files.inputs, *files.targets) if files.inputs else files.targets
        return ", ".join(str(PurePosixPath(*self.folders[:1], folder)) for folder in inside)

    @property
    def layout(self) -> str:
        """Where all its files are expected, for readers."""
        places = "; ".join(f"{split} in {self.place(split)}" for split in self.splits)
        return f"{places} ({self.note})" if self.note else places


_DIV2K_URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
_DIV2K_LICENCE = "academic research only; the photographs belong to their authors"
_DIV2K_FOLDERS = ("DIV2K", "", "div2k")


def _div2k(part: str, sha256: str, count: int) -> Download:
    """The checksums are those that TensorFlow Datasets records; ETH publishes none."""
    file = part.replace("/", "_")
    return Download(f"{_DIV2K_URL}{file}.zip", f"sha256:{sha256}", "DIV2K", (part, count))


_DIV2K_HR = (
    _div2k("DIV2K_train_HR", "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335", 800),
    _div2k("DIV2K_valid_HR", "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc", 100),
)
_DIV2K_X4 = (
    _div2k(
        "DIV2K_train_LR_bicubic/X4", "f006b837f4eb52b82909aa01478e6d6d199eefce932179491d0c9dbb706dde3a", 800
    ),
    _div2k(
        "DIV2K_valid_LR_bicubic/X4", "a50a5d1c4b88de4e8d300d8fb2b904c52fe93b2b298a4899697760d7cbb6d553", 100
    ),
)


def _benchmark(name: str, count: int) -> Source:
    """One of the test sets that come in one archive with EDSR."""
    places = ("benchmark/{}/HR", "{}/HR", "{}/original", "{}")
    return Source(
        title=f"{name}, the usual super-resolution test images",
        licence="research use",
        url="https://github.com/sanghyun-son/EDSR-PyTorch",
        size="250 MB, with others",
        folders=tuple(place.format(spelled) for spelled in (name, name.lower()) for place in places),
        splits={"evaluate": Files(count, ("",))},
        downloads=(Download("https://cv.snu.ac.kr/research/EDSR/benchmark.tar"),),
    )


SOURCES: dict[str, Source] = {
    # Split by scene: the two views of the motorcycle stay together. Of the packages' other colour pictures,
    # the retina, the stained tissue and the Hubble field are no everyday photographs, as the paper's sets
    # hold them, and are left out.
    "embedded": Source(
        title="photographs inside the scikit-image and scikit-learn packages",
        licence="astronaut, rocket: public domain (NASA, SpaceX); chelsea, coffee: CC0; motorcycle: Middlebury "
        "stereo 2014, distributed with permission; china, flower: CC BY 2.0 (flickr: danielbuechele, vultilion)",
        url="https://scikit-image.org, https://scikit-learn.org",
        size="nothing to download",
        folders=(),
        splits={
            "train": Files(
                5,
                (
                    "skimage/data/astronaut.png",
                    "sklearn/datasets/images/china.jpg",
                    "skimage/data/coffee.png",
                    "skimage/data/motorcycle_left.png",
                    "skimage/data/motorcycle_right.png",
                ),
            ),
            "evaluate": Files(
                3,
                (
                    "skimage/data/chelsea.png",
                    "sklearn/datasets/images/flower.jpg",
                    "skimage/data/rocket.jpg",
                ),
            ),
        },
        decoding="halved_jpeg",
        packaged=True,
    ),
    "gopro": Source(
        title="GoPro: real video, averaged frames against the middle one, 1280x720 (Nah et al. 2017)",
        licence="CC BY 4.0",
        url="https://seungjunnah.github.io/Datasets/gopro.html",
        size="8.9 GB",
        folders=("GoPro", "gopro", "GOPRO_Large", "GOPRO"),
        splits={
            "train": Files(2103, ("train/*/sharp",), "train/*/blur"),
            "evaluate": Files(1111, ("test/*/sharp",), "test/*/blur"),
        },
        note="blur_gamma is not used",
        downloads=(
            Download(
                "https://huggingface.co/datasets/snah/GOPRO_Large/resolve/main/GOPRO_Large.zip",
                folder="GoPro",
            ),
        ),
    ),
    "div2k": Source(
        title="DIV2K: 2K photographs (Agustsson & Timofte 2017), high resolution",
        licence=_DIV2K_LICENCE,
        url=_DIV2K_URL,
        size="4.0 GB",
        folders=_DIV2K_FOLDERS,
        splits={
            "train": Files(800, ("DIV2K_train_HR",), numbers=(1, 800, 4)),
            "evaluate": Files(100, ("DIV2K_valid_HR",), numbers=(801, 900, 4)),
        },
        downloads=_DIV2K_HR,
    ),
    "div2k_x4": Source(
        title="DIV2K with its published bicubic x4 images, enlarged bilinearly to full size as inputs",
        licence=_DIV2K_LICENCE,
        url=_DIV2K_URL,
        size="4.3 GB, 0.3 GB of it besides div2k",
        folders=_DIV2K_FOLDERS,
        splits={
            "train": Files(800, ("DIV2K_train_HR",), "DIV2K_train_LR_bicubic/X4", (1, 800, 4)),
            "evaluate": Files(100, ("DIV2K_valid_HR",), "DIV2K_valid_LR_bicubic/X4", (801, 900, 4)),
        },
        names="(.+)x4",
        decoding="bilinear_x4",
        downloads=_DIV2K_HR + _DIV2K_X4,
    ),
    "dpdd": Source(
        title="DPDD: defocused and sharp photographs, single image, 1680x1120 (Abuolaim & Brown 2020)",
        licence="see the authors' page; cite the paper",
        url="https://github.com/Abdullah-Abuolaim/defocus-deblurring-dual-pixel",
        size="about 25 GB with the dual-pixel views",
        folders=(
            "DPDD",
            "dpdd",
            "dd_dp_dataset_png",
            "dd_dp_dataset_canon",
            "dd_dp_dataset_canon/dd_dp_dataset_png",
        ),
        splits={
            "train": Files(350, ("train_c/target",), "train_c/source"),
            "evaluate": Files(76, ("test_c/target",), "test_c/source"),
        },
        note="val_c is not used; the names of a pair differ (two shots), so pairs are formed by order",
        in_order=True,
        by_hand="Open the authors' page, follow its link to dd_dp_dataset_canon.zip (a cloud drive "
        "that asks for confirmation), and unpack it so that DPDD/train_c and DPDD/test_c "
        "lie in the data root.",
    ),
    "celeba": Source(
        title="CelebA, aligned: central 140x140 of 178x218, scaled to 64x64 (Liu et al. 2015)",
        licence="non-commercial research, to be accepted on the authors' page",
        url="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        size="1.4 GB",
        folders=("img_align_celeba", "celeba/img_align_celeba", "CelebA/img_align_celeba"),
        # CelebA's own partition; what lies between is its validation
        splits={
            "train": Files(162_770, ("",), numbers=(1, 162_770, 6)),
            "evaluate": Files(19_962, ("",), numbers=(182_638, 202_599, 6)),
        },
        note="000001.jpg ...; the split is CelebA's own partition, test for evaluation",
        decoding="crop140_64",
        by_hand="Read and accept the agreement on the authors' page, download img_align_celeba.zip "
        "and unpack it in the data root.",
    ),
    "celeba_reduced": Source(
        title="8,000 faces of CelebA at half size, central 89x89, scaled to 64x64",
        licence="non-commercial research (CelebA)",
        url="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        size="25 MB",
        folders=("celeba", "celeba_reduced"),
        splits={
            "train": Files(7_000, ("",), numbers=(1, 7_000, 6)),
            "evaluate": Files(1_000, ("",), numbers=(7_001, 8_000, 6)),
        },
        note="000001.jpg ... 008000.jpg, 89x109; the last 1,000 files for evaluation (a person may appear in both)",
        decoding="crop89_64",
        by_hand="Get img_align_celeba.zip as for `celeba` and halve 000001.jpg to 008000.jpg from "
        "178x218 to 89x109 into celeba/ in the data root.",
    ),
    "bsds500": Source(
        title="BSDS500: photographs, 481x321 (Arbelaez et al. 2011); trained on train+test, "
        "evaluated on val, which holds BSD100",
        licence="non-commercial research and education",
        url="https://github.com/BIDS/BSDS500",
        size="70 MB",
        folders=("bsds500", "BSDS500/data/images", "BSDS500-master/BSDS500/data/images", "BSDS500"),
        splits={"train": Files(400, ("train", "test")), "evaluate": Files(100, ("val",))},
        downloads=(Download("https://github.com/BIDS/BSDS500/archive/refs/heads/master.zip"),),
    ),
    "photos": Source(
        title="719 colour photographs of ImageNet classes, halved, for training only",
        licence="ImageNet terms: non-commercial research",
        url="https://github.com/EliSchwartz/imagenet-sample-images",
        size="100 MB before halving",
        folders=("photos",),
        splits={"train": Files(719, ("",))},
        by_hand="Download the repository, halve each colour photograph with a Lanczos filter (to "
        "remove old compression marks), and save them in photos/ in the data root as PNG or as "
        "JPEG of quality 94 with 4:4:4 chroma. Any other photographs do as well.",
    ),
    "set5": _benchmark("Set5", 5),
    "set14": _benchmark("Set14", 14),
    "levin": Source(
        title="4 grey images blurred by 8 recorded camera shakes, 255x255 (Levin et al. 2009)",
        licence="research use",
        url="https://webee.technion.ac.il/people/anat.levin/papers/LevinEtalCVPR09Data.rar",
        size="4 MB",
        folders=("levin",),
        # eight blurred images share a sharp one: imI_kernelK_img.png is imI.png blurred
        splits={"evaluate": Files(32, ("sharp",), "blurred")},
        note="imI_kernelK_img.png of imI.png; the kernels are levin/kernels/kernelK.png",
        names=r"((im\d+)_kernel\d+)_img",
        by_hand="Download and unpack the archive; each imII_flitKK.mat holds x (sharp), y (blurred) "
        "and f (kernel). Save 255 * x, 255 * y, and f scaled to a maximum of 255, as PNG files "
        "of the names above.",
    ),
    "lytro": Source(
        title="10 scenes focused near (A) and far (B), 520x520; the truth is a fusion of both, a "
        "pseudo truth (Nejati et al. 2015; Zhang 2021)",
        licence="research use",
        url="https://github.com/xingchenzhang/MFIFB",
        size="10 MB",
        folders=("lytro",),
        splits={"evaluate": Files(20, ("sharp",), "blurred")},
        note="lytro_NN_A.jpg and lytro_NN_B.jpg",
        by_hand="Get the Lytro images from MFIFB; save the near- and far-focused photographs as "
        "blurred/lytro_NN_A.jpg and _B.jpg, and their GFDF fusion under both names in sharp/.",
    ),
}
