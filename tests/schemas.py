"""Validates JSON documents: schemas.py SCHEMA DOCUMENT [SCHEMA DOCUMENT ...]; prints how many."""

import json
import sys

import jsonschema


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main(paths):
    pairs = list(zip(paths[::2], paths[1::2], strict=True))
    for schema, document in pairs:
        schema = load(schema)
        validator = jsonschema.Draft202012Validator
        validator.check_schema(schema)
        errors = [error.message for error in validator(schema).iter_errors(load(document))]
        assert not errors, (document, errors)
    print(len(pairs))


main(sys.argv[1:])
