-- What SQLite's planner is to believe of the logs, as if ANALYZE had seen a big one (sqlite.org/fileformat2.html,
-- section 2.6.3: rows, then rows per value of the first column, of the first two, ...). Without statistics it takes
-- every first column for selective, and would walk along the time where an index leads straight to one target.
ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1 WHERE tbl IN ('audit_events', 'sign_ins');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('audit_events', 'sqlite_autoindex_audit_events_1', '1000000 100000 1'),
    ('audit_events', 'audit_events_by_id', '1000000 100000 1'),
    ('audit_events', 'audit_events_by_time', '1000000 100000 1 1'),
    ('audit_events', 'audit_events_by_service', '1000000 100000 50000 1 1'),
    ('audit_events', 'audit_events_by_result', '1000000 100000 50000 1 1'),
    ('audit_events', 'audit_events_by_category', '1000000 100000 20000 1 1'),
    ('audit_events', 'audit_events_by_activity', '1000000 100000 5000 1 1'),
    ('audit_events', 'audit_events_by_initiator_name', '1000000 100000 2000 1 1'),
    ('audit_events', 'audit_events_by_principal', '1000000 100000 2000 1 1'),
    ('audit_events', 'audit_events_by_initiator', '1000000 100000 2000 1 1'),
    ('audit_events', 'audit_events_by_target_name', '1000000 100000 20 1 1'),
    ('audit_events', 'audit_events_by_target', '1000000 100000 10 1 1'),
    ('audit_events', 'audit_events_by_correlation', '1000000 100000 2 1 1'),
    ('sign_ins', 'sqlite_autoindex_sign_ins_1', '1000000 100000 1'),
    ('sign_ins', 'sign_ins_by_time', '1000000 100000 1 1'),
    ('sign_ins', 'sign_ins_by_error', '1000000 100000 20000 1 1'),
    ('sign_ins', 'sign_ins_by_application', '1000000 100000 20000 1 1'),
    ('sign_ins', 'sign_ins_by_application_name', '1000000 100000 20000 1 1'),
    ('sign_ins', 'sign_ins_by_address', '1000000 100000 200 1 1'),
    ('sign_ins', 'sign_ins_by_name', '1000000 100000 30 1 1'),
    ('sign_ins', 'sign_ins_by_display_name', '1000000 100000 30 1 1'),
    ('sign_ins', 'sign_ins_by_user', '1000000 100000 30 1 1'),
    ('sign_ins', 'sign_ins_by_correlation', '1000000 100000 2 1 1'),
    ('sign_ins', 'sign_ins_by_age', '1000000 1');
ANALYZE sqlite_schema;
