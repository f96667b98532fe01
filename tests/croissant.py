"""Checks Croissant 1.0 metadata beside the files that they describe: croissant.py METADATA.

The rules are those of the specification that apply here: required properties, types, unique ids,
references that lead somewhere, and files that are what they are said to be. Prints the numbers of
files and fields.
"""

import hashlib
import json
import pathlib
import sys

REQUIRED = {
    "sc:Dataset": "@context conformsTo description license name url creator datePublished",
    "cr:FileObject": "@id name contentUrl contentSize encodingFormat sha256",
    "cr:RecordSet": "@id name description key field",
    "cr:Field": "@id name description dataType source",
}
TYPES = ("sc:Text", "sc:Float", "sc:Integer")


def require(node, kind):
    assert node["@type"] == kind, node
    for name in REQUIRED[kind].split():
        assert node.get(name) not in (None, "", []), (kind, name)


def columns_of(path):
    if path.suffix == ".h5":
        import h5py

        names = []
        with h5py.File(path) as store:
            store.visit(names.append)
        return names
    import pyarrow as pa

    return set(pa.ipc.open_file(pa.memory_map(str(path))).schema.names)


def main(path):
    folder = pathlib.Path(path).parent
    metadata = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    require(metadata, "sc:Dataset")
    assert metadata["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    context = metadata["@context"]
    assert context["cr"] == "http://mlcommons.org/croissant/"
    ids = []
    columns = {}
    for node in metadata["distribution"]:
        require(node, "cr:FileObject")
        ids.append(node["@id"])
        file = folder / node["contentUrl"]
        content = file.read_bytes()
        assert node["contentSize"] == f"{len(content)} B"
        assert node["sha256"] == hashlib.sha256(content).hexdigest()
        if file.suffix != ".json":
            columns[node["@id"]] = columns_of(file)
    n_fields = 0
    for record_set in metadata["recordSet"]:
        require(record_set, "cr:RecordSet")
        ids.append(record_set["@id"])
        names = [field["@id"] for field in record_set["field"]]
        assert record_set["key"]["@id"] in names
        for field in record_set["field"]:
            require(field, "cr:Field")
            assert field["dataType"] in TYPES, field
            source = field["source"]
            assert source["extract"]["column"] in columns[source["fileObject"]["@id"]], field
            assert "n_samples = " in field["description"]
        ids += names
        n_fields += len(names)
    assert len(ids) == len(set(ids))
    print(len(metadata["distribution"]), n_fields)


main(sys.argv[1])
