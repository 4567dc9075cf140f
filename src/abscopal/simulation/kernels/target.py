"""The processor that kernels are compiled for, and how wide its vectors are."""

from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm


@dataclass(frozen=True)
class Target:
    """A processor.

    Attributes
    ----------
    triple, cpu, features : str
        As LLVM writes them.
    width : int
        Float64 lanes of one vector: patients solved side by side.
    """

    triple: str
    cpu: str
    features: str
    width: int

    @property
    def is_gpu(self) -> bool:
        """Whether this is a graphics processor: its code is text in NVIDIA's PTX, one patient per thread."""
        return self.triple.startswith("nvptx")

    def machine(self) -> llvm.TargetMachine:
        """A code generator for this processor."""
        if self.is_gpu:
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
            machine = llvm.Target.from_triple(self.triple)
            return machine.create_target_machine(cpu=self.cpu, features=self.features, opt=2)
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.cpu, features=self.features, opt=2, jit=True
        )


@cache
def host() -> Target:
    """The processor of this machine."""
    features = llvm.get_host_cpu_features()
    width = 8 if features.get("avx512f") else 4 if features.get("avx") else 2
    flat = features.flatten()
    if width == 8:
        flat += ",-prefer-256-bit"  # some processors are tuned to halve 512-bit vectors
    return Target(llvm.get_default_triple(), llvm.get_host_cpu_name(), flat, width)


@cache
def baseline() -> Target:
    """The processor of this machine with no more than the vectors every one of its family has (tests)."""
    return Target(llvm.get_default_triple(), "", "", 2)


@cache
def nvidia() -> Target:
    """Any NVIDIA graphics processor since 2017: the driver translates this PTX for the one that is there."""
    return Target("nvptx64-nvidia-cuda", "sm_70", "+ptx63", 1)
