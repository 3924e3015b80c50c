-- A catalogue of @images images in a MariaDB database that Glint made: one every half a minute, of 1,000 projects; one in
-- twenty is public, one in a hundred shared with another project. Each has two properties and a location.
SET SESSION unique_checks = 0, foreign_key_checks = 0, sql_mode = 'TRADITIONAL';
DELIMITER //
CREATE OR REPLACE PROCEDURE fill(IN images INT)
BEGIN
    DECLARE done INT DEFAULT 0;
    WHILE done < images DO
        START TRANSACTION;
        CREATE OR REPLACE TEMPORARY TABLE part AS
            SELECT done + seq AS number,
                insert(insert(insert(insert(md5(done + seq), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-') AS id
            FROM seq_1_to_50000 WHERE done + seq <= images;
        INSERT INTO images (id, name, size, status, created_at, updated_at, deleted, disk_format, container_format, checksum,
                owner, min_disk, min_ram, protected, visibility, os_hidden, os_hash_algo, os_hash_value)
            SELECT id, concat('image ', number), number * 1048576, 'active', '2020-01-01' + INTERVAL number * 30 SECOND,
                '2020-01-01' + INTERVAL number * 30 SECOND, FALSE, 'qcow2', 'bare', md5(id), concat('project-', number % 1000),
                0, 0, FALSE, if(number % 20 = 0, 'public', 'shared'), FALSE, 'sha512', sha2(id, 512)
            FROM part;
        INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted)
            SELECT id, name, 'value', '2020-01-01', '2020-01-01', FALSE
            FROM part JOIN (SELECT 'os_type' AS name UNION SELECT 'hw_disk_bus') AS names;
        INSERT INTO image_locations (image_id, value, meta_data, created_at, updated_at, deleted, status)
            SELECT id, concat('file:///var/lib/glance/images/', id), '{"store": "file"}', '2020-01-01', '2020-01-01', FALSE,
                'active'
            FROM part;
        INSERT INTO image_members (image_id, member, can_share, status, created_at, updated_at, deleted)
            SELECT id, concat('project-', (number + 1) % 1000), FALSE, 'accepted', '2020-01-01', '2020-01-01', FALSE
            FROM part WHERE number % 100 = 1;
        COMMIT;
        SET done = done + 50000;
    END WHILE;
END//
DELIMITER ;
CALL fill(@images);
DROP PROCEDURE fill;
