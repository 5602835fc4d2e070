-- PostgreSQL only, run before the migrations. Ids sort by time only where text compares byte by
-- byte; a database's own collation may not (Danish sorts "aa" last). SQLite compares bytes, and
-- takes the unknown type's name for text.
CREATE DOMAIN idtext AS text COLLATE "C";
