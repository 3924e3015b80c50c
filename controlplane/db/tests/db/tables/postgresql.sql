SELECT table_name || ' column ' || lpad((row_number() OVER (PARTITION BY table_name ORDER BY ordinal_position))::text, 2, '0') || ' ' || column_name || ' ' || data_type ||
    coalesce('(' || character_maximum_length || ')', '') || ' ' || udt_name ||
    CASE is_nullable WHEN 'NO' THEN ' notnull' ELSE '' END || coalesce(' default ' || column_default, '') AS answer
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name NOT LIKE 'glint%'
UNION ALL
SELECT tablename || ' index ' || indexdef
FROM pg_indexes
WHERE schemaname = 'public' AND tablename NOT LIKE 'glint%'
UNION ALL
SELECT conrelid::regclass || ' constraint ' || conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'glint%'
UNION ALL
SELECT 'sequence ' || sequencename || ' ' || data_type || ' ' || start_value || ' ' || increment_by
FROM pg_sequences
WHERE schemaname = 'public'
UNION ALL
SELECT 'type ' || typname || ' ' || string_agg(enumlabel, ',' ORDER BY enumsortorder)
FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
GROUP BY typname
