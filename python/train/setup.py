"""The parts of the package's metadata that depend on how it is built."""

import os

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

VERSION = os.environ["ALMT_DATA_VERSION"]


class BinaryDistribution(Distribution):
    """Holds a program for one platform."""

    def has_ext_modules(self) -> bool:
        return True


class PlatformWheel(bdist_wheel):
    """A wheel for every Python 3 of the platform: the program does not depend on Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", os.environ["ALMT_DATA_PLATFORM"]


setup(
    version=VERSION,
    # The C++ interface of PyTorch changes with every minor version.
    install_requires=[f"almt-data=={VERSION}", "torch==2.11.*"],
    distclass=BinaryDistribution,
    cmdclass={"bdist_wheel": PlatformWheel},
)
