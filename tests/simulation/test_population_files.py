"""Populations in files: there and back to the bit, and hostile files refused with the place."""

import builtins

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import InputError, UnitError, UnsupportedError
from abscopal.simulation.population import Column, VirtualPopulation
from abscopal.simulation.population_files import read_population
from tests.simulation.models import decay

COLUMNS = (Column("k", "1/day"), Column("A0", "mg"), Column("age", "year", "covariate"))


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "patients.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


finite = st.floats(0, 1e300, allow_subnormal=True)


@given(st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_csv_comes_back_to_the_bit(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "p.csv"
    made = VirtualPopulation(COLUMNS, np.array(rows), patients=np.arange(len(rows)) * 3)
    back = read_population(made.to_csv(path), decay(), covariates={"age": "year"})
    assert back.values.tobytes() == made.values.tobytes()
    assert back.patients.tolist() == made.patients.tolist()
    assert [(c.name, c.unit, c.role) for c in back.columns] == [(c.name, c.unit, c.role) for c in COLUMNS]
    assert back.provenance.how == "imported"
    assert len(back.provenance.file_sha256) == 64


def test_parquet_comes_back_to_the_bit(tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet comes with the extra 'cluster'")
    made = VirtualPopulation(COLUMNS, np.random.default_rng(0).uniform(0, 9, (50, 3)), patients=np.arange(50)[::-1])
    back = read_population(made.to_parquet(tmp_path / "p.parquet"), decay(), covariates={"age": "year"})
    assert back.values.tobytes() == made.values.tobytes()
    assert back.patients.tolist() == made.patients.tolist()


def test_units_in_the_heading_are_converted(written):
    read = read_population(written("k [1/week],A0 [ug],age[month]\n7,1500,24\n"), decay(), covariates={"age": "year"})
    np.testing.assert_allclose(read.values, [[1, 1.5, 2]], rtol=1e-12)
    assert [column.unit for column in read.columns] == ["1/day", "mg", "year"]


def test_byte_order_mark_blanks_and_quotes_are_read(written):
    read = read_population(written(b'\xef\xbb\xbf"k [1/day]", A0 [mg] \r\n" 0.5",1e-3\r\n'), decay())
    assert read.values.tolist() == [[0.5, 1e-3]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("k [1/day]\n1\nnan\n", ["'nan'", "line 3"]),
        ("k [1/day]\n1\n2\ninf\n", ["'inf'", "line 4"]),
        ("k [1/day]\n1\nten\n", ["'ten'", "line 3"]),
        ("k [1/day],A0 [mg]\n1,2\n3,\n", ["nothing for 'A0 [mg]'", "line 3"]),
        ("k [1/day],A0 [mg]\n1,2\n3\n", ["1 values in line 3"]),
        ("k [1/day]\n1\n\n2\n", ["0 values in line 3"]),
        ("k [1/day]\n1_0\n", ["'1_0'", "line 2"]),
        ("k [1/day]\n-1\n", ["k = -1", "row 1", "at least 0"]),
        ("k [1/day]\n1e999\n", ["'1e999'"]),
        ("K [1/day]\n1\n", ["unknown name 'K'", "'k'"]),
        ("k [1/day],k [1/week]\n1,1\n", ["twice"]),
        ("k [1/day\n1\n", ["not a name and a unit"]),
        ("patient\n1\n", ["no parameter"]),
        ("patient,k [1/day]\n1,1\n1,1\n", ["patient 1 2 times"]),
        ("patient,k [1/day]\n1.5,1\n", ["patient 1.5 in row 1"]),
        ("k [1/day]\n", ["no patients"]),
        ("", ["0 columns"]),
        ("k [1/day]" + ",x" * 2000 + "\n", ["2001 columns"]),
        ('k [1/day]\n"1\n', ["line"]),
        (b"k [1/day]\n\xff\n", ["UTF-8"]),
        (b"k [1/day]\n1\x00\n", ["line 2"]),
        ("k [1/day]\n" + "9" * 200_000 + "\n", ["line 2"]),
        ("patient,k [1/day]\n1e300,1\n", ["whole numbers"]),
    ],
)
def test_hostile_csv_is_refused_with_the_place(written, text, words):
    with pytest.raises(InputError) as caught:
        read_population(written(text), decay())
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("heading", ["k", "k []", "k [Gy]", "k [grey]"])
def test_headings_without_a_fitting_unit_are_refused(written, heading):
    with pytest.raises(InputError, match=r"unit|dimension"):
        read_population(written(f"{heading}\n1\n"), decay())
    with pytest.raises(UnitError):
        read_population(written("k [Gy]\n1\n"), decay())


def test_large_files_are_not_read(written, tmp_path):
    with pytest.raises(InputError, match="at most 10"):
        read_population(written("k [1/day]\n1\n"), decay(), max_bytes=10)
    with pytest.raises(InputError, match="no such file"):
        read_population(tmp_path / "none.csv", decay())
    (tmp_path / "p.xlsx").write_text("")
    with pytest.raises(InputError, match="xlsx"):
        read_population(tmp_path / "p.xlsx", decay())


def test_parquet_that_unpacks_to_more_than_allowed_is_not_read(tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet comes with the extra 'cluster'")
    path = VirtualPopulation((Column("k", "1/day"),), np.zeros((500_000, 1))).to_parquet(tmp_path / "p.parquet")
    assert path.stat().st_size < 3_000_000
    with pytest.raises(InputError, match="unpacked"):
        read_population(path, decay(), max_bytes=7_000_000)


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"k [1/day]": [1.0, None]}, "row 2"),
        ({"k [1/day]": [1.0, float("inf")]}, "row 2"),
        ({"k [1/day]": ["1", "2"]}, "type string"),
        ({"K [1/day]": [1.0]}, "'k'"),
        ({"k [1/day]": []}, "type null|no patients"),
    ],
)
def test_hostile_parquet_is_refused(tmp_path, columns, word):
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet comes with the extra 'cluster'")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=word):
        read_population(tmp_path / "p.parquet", decay())


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 4000 + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused(tmp_path, content):
    pytest.importorskip("pyarrow", reason="Parquet comes with the extra 'cluster'")
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(InputError, match="a Parquet file"):
        read_population(tmp_path / "p.parquet", decay())


def test_parquet_without_the_extra_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    made = VirtualPopulation((Column("k", "1/day"),), np.ones((2, 1)))
    with pytest.raises(UnsupportedError, match="cluster"):
        made.to_parquet(tmp_path / "p.parquet")
    (tmp_path / "p.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnsupportedError, match="pip install"):
        read_population(tmp_path / "p.parquet", decay())


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        VirtualPopulation((Column("k", "1/day"),), np.ones((2, 1))).to_csv(tmp_path / "none" / "p.csv")
