SELECT concat(table_name, ' table ', engine, ' ', table_collation) AS answer
FROM information_schema.tables
WHERE table_schema = database() AND table_name NOT LIKE 'glint%'
UNION ALL
SELECT concat(table_name, ' column ', lpad(ordinal_position, 2, '0'), ' ', column_name, ' ', column_type,
    if(is_nullable = 'NO', ' notnull', ''), coalesce(concat(' default ', column_default), ''),
    if(extra = '', '', concat(' ', extra)), coalesce(concat(' ', collation_name), ''))
FROM information_schema.columns
WHERE table_schema = database() AND table_name NOT LIKE 'glint%'
UNION ALL
SELECT concat(table_name, if(non_unique = 0, ' unique ', ' index '), index_name, ' (',
    group_concat(column_name ORDER BY seq_in_index), ')')
FROM information_schema.statistics
WHERE table_schema = database() AND table_name NOT LIKE 'glint%'
GROUP BY table_name, non_unique, index_name
UNION ALL
SELECT concat(table_name, ' foreign ', constraint_name, ' ', column_name, ' ', referenced_table_name, '.',
    referenced_column_name)
FROM information_schema.key_column_usage
WHERE table_schema = database() AND referenced_table_name IS NOT NULL
UNION ALL
SELECT concat(table_name, ' check ', check_clause)
FROM information_schema.check_constraints
WHERE constraint_schema = database() AND table_name NOT LIKE 'glint%'
