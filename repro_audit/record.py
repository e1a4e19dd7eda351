"""`dataclass` for modules that every run loads: the standard one at an eighth of the time that a class takes to define.

A run over one small file spends most of its time on defining classes that it hardly uses. To type checkers these are
the standard library's dataclasses, so that `frozen` is held there, and not again with every field of every object that
is made. At run time: slots, `__init__`, `__eq__`, `__hash__`, `__repr__`, `replace`, and `dataclasses.fields` and
`dataclasses.replace` as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    from reprlib import recursive_repr

    _NOTHING = object()

    def field(*, default=_NOTHING, default_factory=_NOTHING, repr=True, compare=True):  # noqa: A002
        """As `dataclasses.field`, as much of it as is used here."""
        return _Wanted(default, default_factory, repr, compare)

    def dataclass(*, slots=True, frozen=False, eq=True, repr=True):  # noqa: A002
        """As `dataclasses.dataclass`; always with slots, and `frozen` is for the type checker and for hashing."""
        return lambda cls: _made(cls, eq, frozen, repr)

    def replace(record, /, **changes):
        """As `dataclasses.replace`."""
        for entry in type(record).__record__:
            name = entry[0]
            if name not in changes:
                changes[name] = getattr(record, name)
        return type(record)(**changes)

    class _Wanted:
        __slots__ = ("compare", "default", "factory", "repr")

        def __init__(self, default, factory, repr, compare):  # noqa: A002
            self.default, self.factory, self.repr, self.compare = default, factory, repr, compare

    class _StandardFields:
        """What `dataclasses.fields`, `replace` and `is_dataclass` look for, made when they do."""

        def __get__(self, record, owner):
            import dataclasses

            found = {}
            for name, default, factory, shown, compared in owner.__record__:
                more = {"default": default} if default is not _NOTHING else {}
                if factory is not _NOTHING:
                    more = {"default_factory": factory}
                one = dataclasses.field(repr=shown, compare=compared, **more)
                one.name, one._field_type = name, dataclasses._FIELD
                found[name] = one
            return found

    def _made(cls, eq, frozen, shows):
        """The class anew, with slots and the methods that its annotations ask for."""
        namespace = dict(cls.__dict__)
        inherited = [entry for base in reversed(cls.__mro__[1:]) for entry in base.__dict__.get("__record__", ())]
        fields = {entry[0]: entry for entry in inherited}
        own = []
        for name, kind in (namespace.get("__annotations__") or cls.__annotations__).items():
            if "ClassVar" in str(kind):
                continue
            default, factory, shown, compared = namespace.pop(name, _NOTHING), _NOTHING, True, True
            if isinstance(default, _Wanted):
                default, factory, shown, compared = default.default, default.factory, default.repr, default.compare
            if name not in fields:
                own.append(name)
            fields[name] = (name, default, factory, shown, compared)
        for name in ("__dict__", "__weakref__"):
            namespace.pop(name, None)
        # Name, default, what makes one, whether shown and whether compared.
        entries = tuple(fields.values())
        namespace["__slots__"] = tuple(own)
        namespace["__record__"] = entries
        namespace["__dataclass_fields__"] = _StandardFields()
        namespace["__match_args__"] = tuple(fields)
        if shows:
            namespace.setdefault("__repr__", _shown)
        if "__init__" not in namespace:
            namespace["__init__"] = _initializer(entries, hasattr(cls, "__post_init__"))
        if eq:
            namespace.setdefault("__eq__", _equal)
            namespace["__hash__"] = namespace.get("__hash__") or (_hashed if frozen else None)
        return type(cls)(cls.__name__, cls.__bases__, namespace)

    def _initializer(entries, post):
        known = {"_nothing": _NOTHING}
        parameters, lines = ["self"], []
        for name, default, factory, _, _ in entries:
            value = name
            if factory is not _NOTHING:
                known["_make_" + name] = factory
                parameters.append(f"{name}=_nothing")
                value = f"_make_{name}() if {name} is _nothing else {name}"
            elif default is not _NOTHING:
                known["_default_" + name] = default
                parameters.append(f"{name}=_default_{name}")
            else:
                parameters.append(name)
            lines.append(f" self.{name} = {value}\n")
        if post:
            lines.append(" self.__post_init__()\n")
        exec(f"def __init__({', '.join(parameters)}):\n{''.join(lines) or ' pass'}", known)  # noqa: S102
        return known["__init__"]

    @recursive_repr()
    def _shown(self):
        inner = ", ".join(f"{entry[0]}={getattr(self, entry[0])!r}" for entry in self.__record__ if entry[3])
        return f"{type(self).__qualname__}({inner})"

    def _compared(self):
        return tuple([getattr(self, entry[0]) for entry in self.__record__ if entry[4]])

    def _equal(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        return _compared(self) == _compared(other)

    def _hashed(self):
        return hash(_compared(self))
