"""The tables of a SQLite database, so that two of them can be compared field by field."""
import json
import sqlite3

# Text of JSON: two spellings of one value are the same.
JSON = {'meta_data', 'json_schema', 'input', 'result'}
# When a row was written; whether it is there is compared, and not what it is.
TIMES = {'created_at', 'updated_at', 'deleted_at'}


def connect(path):
    return sqlite3.connect('file:%s?mode=rw' % path, uri=True, timeout=30)


def names(database):
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for name, in rows if not name.startswith(('glint_', 'sqlite_'))]


def schema(path):
    """Columns, indexes and foreign keys of every table that is Glance's."""
    database, found = connect(path), {}
    for table in names(database):
        columns = [(name, kind, must, preset, key) for _, name, kind, must, preset, key in database.execute('PRAGMA table_info(%s)' % table)]
        indexes = set()
        for _, name, unique, *_ in database.execute('PRAGMA index_list(%s)' % table):
            parts = tuple(part for _, _, part in database.execute('PRAGMA index_info(%s)' % name))
            indexes.add(('' if name.startswith('sqlite_') else name, unique, parts))
        foreign = {row[2:5] for row in database.execute('PRAGMA foreign_key_list(%s)' % table)}
        found[table] = (columns, sorted(indexes), sorted(foreign))
    database.close()
    return found


def value(column, found):
    if column in JSON and found is not None:
        return json.dumps(json.loads(found), sort_keys=True)
    return found


def rows(path, without=()):
    """All rows of every table that is Glance's, but for the columns `without`, in no order."""
    database, found = connect(path), {}
    for table in names(database):
        cursor = database.execute('SELECT * FROM %s' % table)
        columns = [column[0] for column in cursor.description]
        found[table] = sorted((tuple((column, value(column, field)) for column, field in zip(columns, row) if column not in without) for row in cursor), key=repr)
    database.close()
    return found


def metadefs(path):
    """Namespaces with all they contain, by name: numbers of rows depend on the order in which files were found."""
    database, found = connect(path), {}
    database.row_factory = sqlite3.Row
    types = {row['id']: tuple(plain(row)) for row in database.execute('SELECT * FROM metadef_resource_types')}
    for namespace in database.execute('SELECT * FROM metadef_namespaces').fetchall():
        parts = {}
        for table in ('objects', 'properties', 'tags', 'namespace_resource_types'):
            of = database.execute('SELECT * FROM metadef_%s WHERE namespace_id = ?' % table, (namespace['id'],))
            parts[table] = sorted(((types.get(row['resource_type_id']) if 'type' in table else None), *plain(row)) for row in of.fetchall())
        found[namespace['namespace']] = (plain(namespace), parts)
    database.close()
    return found, sorted(types.values())


def plain(row):
    """A row without numbers of rows; of times only whether they are there."""
    fields = []
    for column in row.keys():
        if column in TIMES:
            fields.append((column, str(row[column] is not None)))
        elif column != 'id' and not column.endswith('_id'):
            fields.append((column, repr(value(column, row[column]))))
    return fields
