"""What each data set is, where it comes from, its terms, and what a complete copy holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from indi.data.datasets import embedded
from indi.data.datasets.image_set import Split


@dataclass(frozen=True)
class Download:
    """An archive that can be fetched without accepting anything.

    `checksum` is "sha256:..." or "md5:..."; None where nobody publishes one. `folder`, under the data
    root, is where it is unpacked.
    """

    url: str
    checksum: str | None = None
    folder: str = ""
    provides: tuple[str, int] | None = None


@dataclass(frozen=True)
class Source:
    """What a set is and how to come by it.

    Attributes:
        title: one line. licence: terms of use. url: the authors' page. size: of the download.
        layout: the folders under the data root. counts: images (pairs) per split of a whole copy.
        numbers: per split, first and last number and digits of the names, where files are numbered.
        downloads: what `fetch` gets. by_hand: the steps where there is nothing to fetch.
    """

    title: str
    licence: str
    url: str
    size: str
    layout: str
    counts: dict[Split, int]
    numbers: dict[Split, tuple[int, int, int]] = field(default_factory=dict)
    downloads: tuple[Download, ...] = ()
    by_hand: str = ""


_DIV2K_URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
_DIV2K_LICENCE = "academic research only; the photographs belong to their authors"
# The checksums of DIV2K are those that TensorFlow Datasets records; ETH publishes none.
_DIV2K_HR = (
    Download(
        f"{_DIV2K_URL}DIV2K_train_HR.zip",
        "sha256:9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
        "DIV2K",
        ("DIV2K_train_HR", 800),
    ),
    Download(
        f"{_DIV2K_URL}DIV2K_valid_HR.zip",
        "sha256:20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
        "DIV2K",
        ("DIV2K_valid_HR", 100),
    ),
)
_DIV2K_X4 = (
    Download(
        f"{_DIV2K_URL}DIV2K_train_LR_bicubic_X4.zip",
        "sha256:f006b837f4eb52b82909aa01478e6d6d199eefce932179491d0c9dbb706dde3a",
        "DIV2K",
        ("DIV2K_train_LR_bicubic/X4", 800),
    ),
    Download(
        f"{_DIV2K_URL}DIV2K_valid_LR_bicubic_X4.zip",
        "sha256:a50a5d1c4b88de4e8d300d8fb2b904c52fe93b2b298a4899697760d7cbb6d553",
        "DIV2K",
        ("DIV2K_valid_LR_bicubic/X4", 100),
    ),
)
_DIV2K_NUMBERS: dict[Split, tuple[int, int, int]] = {"train": (1, 800, 4), "evaluate": (801, 900, 4)}
_BENCHMARK = Download("https://cv.snu.ac.kr/research/EDSR/benchmark.tar")


SOURCES: dict[str, Source] = {
    "embedded": Source(
        title="photographs inside the scikit-image and scikit-learn packages",
        licence=embedded.LICENCE,
        url="https://scikit-image.org, https://scikit-learn.org",
        size="nothing to download",
        layout="(inside the installed packages)",
        counts={"train": 5, "evaluate": 3},
    ),
    "gopro": Source(
        title="GoPro: real video, averaged frames against the middle one, 1280x720 (Nah et al. 2017)",
        licence="CC BY 4.0",
        url="https://seungjunnah.github.io/Datasets/gopro.html",
        size="8.9 GB",
        layout="GoPro/{train,test}/SCENE/{blur,sharp}/NNNNNN.png (blur_gamma is not used)",
        counts={"train": 2103, "evaluate": 1111},
        downloads=(
            Download(
                "https://huggingface.co/datasets/snah/GOPRO_Large/resolve/main/GOPRO_Large.zip",
                folder="GoPro",
            ),
        ),
        by_hand="Download GOPRO_Large.zip from the authors' page and unpack it so that "
        "GoPro/train and GoPro/test lie in the data root.",
    ),
    "div2k": Source(
        title="DIV2K: 2K photographs (Agustsson & Timofte 2017), high resolution",
        licence=_DIV2K_LICENCE,
        url=_DIV2K_URL,
        size="4.0 GB",
        layout="DIV2K/DIV2K_train_HR/0001.png ..., DIV2K/DIV2K_valid_HR/0801.png ...",
        counts={"train": 800, "evaluate": 100},
        numbers=_DIV2K_NUMBERS,
        downloads=_DIV2K_HR,
    ),
    "div2k_x4": Source(
        title="DIV2K with its published bicubic x4 images, enlarged bilinearly to full size as inputs",
        licence=_DIV2K_LICENCE,
        url=_DIV2K_URL,
        size="4.3 GB, 0.3 GB of it besides div2k",
        layout="as div2k, and DIV2K/DIV2K_{train,valid}_LR_bicubic/X4/0001x4.png ...",
        counts={"train": 800, "evaluate": 100},
        numbers=_DIV2K_NUMBERS,
        downloads=_DIV2K_HR + _DIV2K_X4,
    ),
    "dpdd": Source(
        title="DPDD: defocused and sharp photographs, single image, 1680x1120 (Abuolaim & Brown 2020)",
        licence="see the authors' page; cite the paper",
        url="https://github.com/Abdullah-Abuolaim/defocus-deblurring-dual-pixel",
        size="about 25 GB with the dual-pixel views",
        layout="DPDD/{train_c,val_c,test_c}/{source,target}/*.png; val_c is not used. The names of a "
        "pair differ (two shots), so pairs are formed by order",
        counts={"train": 350, "evaluate": 76},
        by_hand="Open the authors' page, follow its link to dd_dp_dataset_canon.zip (a cloud drive "
        "that asks for confirmation), and unpack it so that DPDD/train_c and DPDD/test_c "
        "lie in the data root.",
    ),
    "celeba": Source(
        title="CelebA, aligned: central 140x140 of 178x218, scaled to 64x64 (Liu et al. 2015)",
        licence="non-commercial research, to be accepted on the authors' page",
        url="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        size="1.4 GB",
        layout="img_align_celeba/000001.jpg ...; the split is CelebA's own partition, test for evaluation",
        counts={"train": 162_770, "evaluate": 19_962},
        numbers={"train": (1, 162_770, 6), "evaluate": (182_638, 202_599, 6)},
        by_hand="Read and accept the agreement on the authors' page, download img_align_celeba.zip "
        "and unpack it in the data root.",
    ),
    "celeba_reduced": Source(
        title="8,000 faces of CelebA at half size, central 89x89, scaled to 64x64",
        licence="non-commercial research (CelebA)",
        url="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        size="25 MB",
        layout="celeba/000001.jpg ... 008000.jpg, 89x109; the last 1,000 files for evaluation "
        "(a person may appear in both)",
        counts={"train": 7_000, "evaluate": 1_000},
        numbers={"train": (1, 7_000, 6), "evaluate": (7_001, 8_000, 6)},
        by_hand="Get img_align_celeba.zip as for `celeba` and halve 000001.jpg to 008000.jpg from "
        "178x218 to 89x109 into celeba/ in the data root.",
    ),
    "bsds500": Source(
        title="BSDS500: photographs, 481x321 (Arbelaez et al. 2011); trained on train+test, "
        "evaluated on val, which holds BSD100",
        licence="non-commercial research and education",
        url="https://github.com/BIDS/BSDS500",
        size="70 MB",
        layout="bsds500/{train,test,val}/*.jpg",
        counts={"train": 400, "evaluate": 100},
        downloads=(Download("https://github.com/BIDS/BSDS500/archive/refs/heads/master.zip"),),
    ),
    "photos": Source(
        title="719 colour photographs of ImageNet classes, halved, for training only",
        licence="ImageNet terms: non-commercial research",
        url="https://github.com/EliSchwartz/imagenet-sample-images",
        size="100 MB before halving",
        layout="photos/*.jpg",
        counts={"train": 719},
        by_hand="Download the repository, halve each colour photograph with a Lanczos filter (to "
        "remove old compression marks), and save them in photos/ in the data root as PNG or as "
        "JPEG of quality 94 with 4:4:4 chroma. Any other photographs do as well.",
    ),
    "set5": Source(
        title="Set5, the usual super-resolution test images",
        licence="research use",
        url="https://github.com/sanghyun-son/EDSR-PyTorch",
        size="250 MB, with Set14 and others",
        layout="set5/*.png, or benchmark/Set5/HR/*.png",
        counts={"evaluate": 5},
        downloads=(_BENCHMARK,),
    ),
    "set14": Source(
        title="Set14, the usual super-resolution test images",
        licence="research use",
        url="https://github.com/sanghyun-son/EDSR-PyTorch",
        size="250 MB, with Set5 and others",
        layout="set14/*.png, or benchmark/Set14/HR/*.png",
        counts={"evaluate": 14},
        downloads=(_BENCHMARK,),
    ),
    "levin": Source(
        title="4 grey images blurred by 8 recorded camera shakes, 255x255 (Levin et al. 2009)",
        licence="research use",
        url="https://webee.technion.ac.il/people/anat.levin/papers/LevinEtalCVPR09Data.rar",
        size="4 MB",
        layout="levin/blurred/imI_kernelK_img.png, levin/sharp/imI.png, levin/kernels/kernelK.png",
        counts={"evaluate": 32},
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
        layout="lytro/{blurred,sharp}/lytro_NN_{A,B}.jpg",
        counts={"evaluate": 20},
        by_hand="Get the Lytro images from MFIFB; save the near- and far-focused photographs as "
        "blurred/lytro_NN_A.jpg and _B.jpg, and their GFDF fusion under both names in sharp/.",
    ),
}
