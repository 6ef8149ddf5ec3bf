/*
 * The tables of the node's catalog: PostgreSQL 15's, with its columns (documentation, chapter
 * "System Catalogs"), so that what clients ask for is there, if often without rows.  pg_roles is a
 * table here, and cm_definition keeps what pg_get_constraintdef and pg_get_indexdef print.
 */
#include "node/syscatalog_int.h"

#include <string.h>

/*
 * Name, then column:type.  b boolean, s int2, i int4, l int8, o oid, f float, n name, c "char",
 * nothing: text.  Every table has a column tableoid behind these.
 */
static const char *const tables[] = {
    "pg_aggregate aggfnoid:o aggkind:c aggnumdirectargs:s aggtransfn:o aggfinalfn:o "
    "aggcombinefn:o aggserialfn:o aggdeserialfn:o aggmtransfn:o aggminvtransfn:o "
    "aggmfinalfn:o aggfinalextra:b aggmfinalextra:b aggfinalmodify:c aggmfinalmodify:c "
    "aggsortop:o aggtranstype:o aggtransspace:i aggmtranstype:o aggmtransspace:i "
    "agginitval aggminitval",
    "pg_am oid:o amname:n amhandler:o amtype:c",
    "pg_attrdef oid:o adrelid:o adnum:s adbin",
    "pg_attribute attrelid:o attname:n atttypid:o attstattarget:i attlen:s attnum:s "
    "attndims:i attcacheoff:i atttypmod:i attbyval:b attalign:c attstorage:c "
    "attcompression:c attnotnull:b atthasdef:b atthasmissing:b attidentity:c "
    "attgenerated:c attisdropped:b attislocal:b attinhcount:i attcollation:o attacl "
    "attoptions attfdwoptions attmissingval",
    "pg_auth_members roleid:o member:o grantor:o admin_option:b",
    "pg_authid oid:o rolname:n rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b "
    "rolcanlogin:b rolreplication:b rolbypassrls:b rolconnlimit:i rolpassword "
    "rolvaliduntil",
    "pg_available_extensions name:n default_version installed_version comment",
    "pg_cast oid:o castsource:o casttarget:o castfunc:o castcontext:c castmethod:c",
    "pg_class oid:o relname:n relnamespace:o reltype:o reloftype:o relowner:o relam:o "
    "relfilenode:o reltablespace:o relpages:i reltuples:f relallvisible:i reltoastrelid:o "
    "relhasindex:b relisshared:b relpersistence:c relkind:c relnatts:s relchecks:s "
    "relhasrules:b relhastriggers:b relhassubclass:b relrowsecurity:b "
    "relforcerowsecurity:b relispopulated:b relreplident:c relispartition:b relrewrite:o "
    "relfrozenxid:l relminmxid:l relacl reloptions relpartbound",
    "pg_collation oid:o collname:n collnamespace:o collowner:o collprovider:c "
    "collisdeterministic:b collencoding:i collcollate collctype colliculocale collversion",
    "pg_constraint oid:o conname:n connamespace:o contype:c condeferrable:b condeferred:b "
    "convalidated:b conrelid:o contypid:o conindid:o conparentid:o confrelid:o "
    "confupdtype:c confdeltype:c confmatchtype:c conislocal:b coninhcount:i "
    "connoinherit:b conkey confkey conpfeqop conppeqop conffeqop confdelsetcols conexclop "
    "conbin",
    "pg_conversion oid:o conname:n connamespace:o conowner:o conforencoding:i "
    "contoencoding:i conproc:o condefault:b",
    "pg_database oid:o datname:n datdba:o encoding:i datlocprovider:c datistemplate:b "
    "datallowconn:b datconnlimit:i datfrozenxid:l datminmxid:l dattablespace:o datcollate "
    "datctype daticulocale datcollversion datacl",
    "pg_db_role_setting setdatabase:o setrole:o setconfig",
    "pg_default_acl oid:o defaclrole:o defaclnamespace:o defaclobjtype:c defaclacl",
    "pg_depend classid:o objid:o objsubid:i refclassid:o refobjid:o refobjsubid:i "
    "deptype:c",
    "pg_description objoid:o classoid:o objsubid:i description",
    "pg_enum oid:o enumtypid:o enumsortorder:f enumlabel:n",
    "pg_event_trigger oid:o evtname:n evtevent:n evtowner:o evtfoid:o evtenabled:c "
    "evttags",
    "pg_extension oid:o extname:n extowner:o extnamespace:o extrelocatable:b extversion "
    "extconfig extcondition",
    "pg_foreign_data_wrapper oid:o fdwname:n fdwowner:o fdwhandler:o fdwvalidator:o "
    "fdwacl fdwoptions",
    "pg_foreign_server oid:o srvname:n srvowner:o srvfdw:o srvtype srvversion srvacl "
    "srvoptions",
    "pg_foreign_table ftrelid:o ftserver:o ftoptions",
    "pg_group groname:n grosysid:o grolist",
    "pg_index indexrelid:o indrelid:o indnatts:s indnkeyatts:s indisunique:b "
    "indnullsnotdistinct:b indisprimary:b indisexclusion:b indimmediate:b "
    "indisclustered:b indisvalid:b indcheckxmin:b indisready:b indislive:b "
    "indisreplident:b indkey indcollation indclass indoption indexprs indpred",
    "pg_inherits inhrelid:o inhparent:o inhseqno:i inhdetachpending:b",
    "pg_language oid:o lanname:n lanowner:o lanispl:b lanpltrusted:b lanplcallfoid:o "
    "laninline:o lanvalidator:o lanacl",
    "pg_largeobject_metadata oid:o lomowner:o lomacl",
    "pg_locks locktype database:o relation:o page:i tuple:s virtualxid transactionid:l "
    "classid:o objid:o objsubid:s virtualtransaction pid:i mode granted:b fastpath:b "
    "waitstart",
    "pg_namespace oid:o nspname:n nspowner:o nspacl",
    "pg_opclass oid:o opcmethod:o opcname:n opcnamespace:o opcowner:o opcfamily:o "
    "opcintype:o opcdefault:b opckeytype:o",
    "pg_operator oid:o oprname:n oprnamespace:o oprowner:o oprkind:c oprcanmerge:b "
    "oprcanhash:b oprleft:o oprright:o oprresult:o oprcom:o oprnegate:o oprcode:o "
    "oprrest:o oprjoin:o",
    "pg_opfamily oid:o opfmethod:o opfname:n opfnamespace:o opfowner:o",
    "pg_parameter_acl oid:o parname paracl",
    "pg_partitioned_table partrelid:o partstrat:c partnatts:s partdefid:o partattrs "
    "partclass partcollation partexprs",
    "pg_policy oid:o polname:n polrelid:o polcmd:c polpermissive:b polroles polqual "
    "polwithcheck",
    "pg_proc oid:o proname:n pronamespace:o proowner:o prolang:o procost:f prorows:f "
    "provariadic:o prosupport:o prokind:c prosecdef:b proleakproof:b proisstrict:b "
    "proretset:b provolatile:c proparallel:c pronargs:s pronargdefaults:s prorettype:o "
    "proargtypes proallargtypes proargmodes proargnames proargdefaults protrftypes prosrc "
    "probin prosqlbody proconfig proacl",
    "pg_publication oid:o pubname:n pubowner:o puballtables:b pubinsert:b pubupdate:b "
    "pubdelete:b pubtruncate:b pubviaroot:b",
    "pg_publication_namespace oid:o pnpubid:o pnnspid:o",
    "pg_publication_rel oid:o prpubid:o prrelid:o prqual prattrs",
    "pg_publication_tables pubname:n schemaname:n tablename:n attnames rowfilter",
    "pg_range rngtypid:o rngsubtype:o rngmultitypid:o rngcollation:o rngsubopc:o "
    "rngcanonical:o rngsubdiff:o",
    "pg_rewrite oid:o rulename:n ev_class:o ev_type:c ev_enabled:c is_instead:b ev_qual "
    "ev_action",
    "pg_seclabel objoid:o classoid:o objsubid:i provider label",
    "pg_sequence seqrelid:o seqtypid:o seqstart:l seqincrement:l seqmax:l seqmin:l "
    "seqcache:l seqcycle:b",
    "pg_settings name setting unit category short_desc extra_desc context vartype source "
    "min_val max_val enumvals boot_val reset_val sourcefile sourceline:i "
    "pending_restart:b",
    "pg_shdepend dbid:o classid:o objid:o objsubid:i refclassid:o refobjid:o deptype:c",
    "pg_shdescription objoid:o classoid:o description",
    "pg_statistic_ext oid:o stxrelid:o stxname:n stxnamespace:o stxowner:o "
    "stxstattarget:i stxkeys stxkind stxexprs",
    "pg_subscription oid:o subdbid:o subskiplsn subname:n subowner:o subenabled:b "
    "subbinary:b substream:b subtwophasestate:c subdisableonerr:b subconninfo "
    "subslotname:n subsynccommit subpublications",
    "pg_tablespace oid:o spcname:n spcowner:o spcacl spcoptions",
    "pg_trigger oid:o tgrelid:o tgparentid:o tgname:n tgfoid:o tgtype:s tgenabled:c "
    "tgisinternal:b tgconstrrelid:o tgconstrindid:o tgconstraint:o tgdeferrable:b "
    "tginitdeferred:b tgnargs:s tgattr tgargs tgqual tgoldtable:n tgnewtable:n",
    "pg_ts_config oid:o cfgname:n cfgnamespace:o cfgowner:o cfgparser:o",
    "pg_ts_dict oid:o dictname:n dictnamespace:o dictowner:o dicttemplate:o "
    "dictinitoption",
    "pg_ts_parser oid:o prsname:n prsnamespace:o prsstart:o prstoken:o prsend:o "
    "prsheadline:o prslextype:o",
    "pg_ts_template oid:o tmplname:n tmplnamespace:o tmplinit:o tmpllexize:o",
    "pg_type oid:o typname:n typnamespace:o typowner:o typlen:s typbyval:b typtype:c "
    "typcategory:c typispreferred:b typisdefined:b typdelim:c typrelid:o typsubscript:o "
    "typelem:o typarray:o typinput typoutput:o typreceive:o typsend:o typmodin:o "
    "typmodout:o typanalyze:o typalign:c typstorage:c typnotnull:b typbasetype:o "
    "typtypmod:i typndims:i typcollation:o typdefaultbin typdefault typacl",
    "pg_user_mapping oid:o umuser:o umserver:o umoptions",
    "pg_stat_activity datid:o datname:n pid:i leader_pid:i usesysid:o usename:n "
    "application_name client_addr client_hostname client_port:i backend_start xact_start "
    "query_start state_change wait_event_type wait_event state backend_xid:l "
    "backend_xmin:l query_id:l query backend_type",
    "pg_roles oid:o rolname:n rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b "
    "rolcanlogin:b rolreplication:b rolconnlimit:i rolpassword rolvaliduntil "
    "rolbypassrls:b rolconfig",
    "cm_definition oid:o definition column_name",
};

static const char views[] =
    "CREATE VIEW pg_user AS SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb,"
    " rolsuper AS usesuper, rolreplication AS userepl, rolbypassrls AS usebypassrls, rolpassword AS"
    " passwd, rolvaliduntil AS valuntil, rolconfig AS useconfig FROM pg_roles WHERE rolcanlogin;"
    "CREATE VIEW pg_tables AS SELECT n.nspname AS schemaname, c.relname AS tablename,"
    " pg_get_userbyid(c.relowner) AS tableowner, NULL AS tablespace, c.relhasindex AS hasindexes,"
    " c.relhasrules AS hasrules, c.relhastriggers AS hastriggers, c.relrowsecurity AS rowsecurity"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r';"
    "CREATE VIEW pg_views AS SELECT n.nspname AS schemaname, c.relname AS viewname,"
    " pg_get_userbyid(c.relowner) AS viewowner, pg_get_viewdef(c.oid) AS definition FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'v' AND n.oid <> 11;"
    "CREATE VIEW pg_matviews AS SELECT n.nspname AS schemaname, c.relname AS matviewname,"
    " pg_get_userbyid(c.relowner) AS matviewowner, NULL AS tablespace, c.relhasindex AS hasindexes,"
    " c.relispopulated AS ispopulated, pg_get_viewdef(c.oid) AS definition FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm';"
    "CREATE VIEW pg_indexes AS SELECT n.nspname AS schemaname, c.relname AS tablename, i.relname AS"
    " indexname, NULL AS tablespace, pg_get_indexdef(x.indexrelid) AS indexdef FROM pg_index x JOIN"
    " pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n"
    " ON n.oid = c.relnamespace;"
    "CREATE VIEW pg_seclabels AS SELECT l.objoid, l.classoid, l.objsubid, 'column' AS objtype,"
    " c.relnamespace AS objnamespace, n.nspname || '.' || c.relname || '.' || a.attname AS objname,"
    " l.provider, l.label FROM pg_seclabel l JOIN pg_class c ON c.oid = l.objoid JOIN pg_namespace "
    "n"
    " ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum ="
    " l.objsubid;"
    "CREATE VIEW pg_stat_user_tables AS SELECT c.oid AS relid, n.nspname AS schemaname, c.relname,"
    " c.reltuples AS n_live_tup FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE"
    " c.relkind = 'r' AND n.nspname <> 'pg_catalog';"
    "CREATE VIEW pg_sequences AS SELECT NULL AS schemaname, NULL AS sequencename WHERE 0;"
    "CREATE VIEW pg_policies AS SELECT NULL AS schemaname, NULL AS tablename, NULL AS policyname"
    " WHERE 0;";

static const char information_views[] =
    "CREATE VIEW information_schema_information_schema_catalog_name AS SELECT current_database() AS"
    " catalog_name;"
    "CREATE VIEW information_schema_schemata AS SELECT current_database() AS catalog_name, nspname"
    " AS schema_name, pg_get_userbyid(nspowner) AS schema_owner, NULL AS"
    " default_character_set_catalog, NULL AS default_character_set_schema, NULL AS"
    " default_character_set_name, NULL AS sql_path FROM pg_namespace;"
    "CREATE VIEW information_schema_tables AS SELECT current_database() AS table_catalog, n.nspname"
    " AS table_schema, c.relname AS table_name, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE"
    " TABLE' END AS table_type, NULL AS"
    " self_referencing_column_name, NULL AS reference_generation, NULL AS"
    " user_defined_type_catalog, NULL AS user_defined_type_schema, NULL AS user_defined_type_name,"
    " 'NO' AS is_insertable_into, 'NO' AS is_typed, NULL AS commit_action FROM pg_class c JOIN"
    " pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v') AND n.oid <> 11;"
    "CREATE VIEW information_schema_columns AS SELECT current_database() AS table_catalog, "
    "n.nspname"
    " AS table_schema, c.relname AS table_name, a.attname AS column_name, a.attnum AS"
    " ordinal_position, NULL AS column_default, CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS"
    " is_nullable, CASE WHEN t.typtype = 'e' THEN 'USER-DEFINED' ELSE format_type(a.atttypid, NULL)"
    " END AS data_type, CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN a.atttypmod -"
    " 4 END AS character_maximum_length, CASE WHEN a.atttypid IN (25, 1042, 1043) THEN 1073741824"
    " END AS character_octet_length, CASE a.atttypid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN "
    "64"
    " WHEN 1700 THEN (a.atttypmod - 4) >> 16 END AS numeric_precision, CASE WHEN a.atttypid IN (20,"
    " 21, 23) THEN 2 WHEN a.atttypid = 1700 THEN 10 END AS numeric_precision_radix, CASE WHEN"
    " a.atttypid IN (20, 21, 23) THEN 0 WHEN a.atttypid = 1700 THEN (a.atttypmod - 4) & 65535 END "
    "AS"
    " numeric_scale, CASE a.atttypid WHEN 1082 THEN 0 WHEN 1114 THEN 6 END AS datetime_precision,"
    " NULL AS interval_type, NULL AS interval_precision, NULL AS character_set_catalog, NULL AS"
    " character_set_schema, NULL AS character_set_name, NULL AS collation_catalog, NULL AS"
    " collation_schema, NULL AS collation_name, NULL AS domain_catalog, NULL AS domain_schema, NULL"
    " AS domain_name, current_database() AS udt_catalog, tn.nspname AS udt_schema, t.typname AS"
    " udt_name, NULL AS scope_catalog, NULL AS scope_schema, NULL AS scope_name, NULL AS"
    " maximum_cardinality, CAST(a.attnum AS TEXT) AS dtd_identifier, 'NO' AS is_self_referencing,"
    " 'NO' AS is_identity, NULL AS identity_generation, NULL AS identity_start, NULL AS"
    " identity_increment, NULL AS identity_maximum, NULL AS identity_minimum, 'NO' AS"
    " identity_cycle, 'NEVER' AS is_generated, NULL AS generation_expression, 'NO' AS is_updatable"
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid ="
    " c.relnamespace JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid ="
    " t.typnamespace WHERE c.relkind IN ('r', 'v') AND a.attnum > 0;";

static const char more_information_views[] =
    "CREATE VIEW information_schema_table_constraints AS SELECT current_database() AS"
    " constraint_catalog, n.nspname AS constraint_schema, k.conname AS constraint_name,"
    " current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, CASE"
    " k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE 'CHECK' END AS"
    " constraint_type, 'NO' AS is_deferrable, 'NO' AS initially_deferred, 'YES' AS enforced FROM"
    " pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid ="
    " c.relnamespace;"
    "CREATE VIEW information_schema_key_column_usage AS SELECT current_database() AS"
    " constraint_catalog, n.nspname AS constraint_schema, k.conname AS constraint_name,"
    " current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,"
    " a.attname AS column_name, 1 AS ordinal_position, NULL AS position_in_unique_constraint FROM"
    " pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid ="
    " c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum ="
    " cm_element(k.conkey, 1) WHERE k.contype IN ('p', 'u');"
    "CREATE VIEW information_schema_constraint_column_usage AS SELECT table_catalog, table_schema,"
    " table_name, column_name, constraint_catalog, constraint_schema, constraint_name FROM"
    " information_schema_key_column_usage;"
    "CREATE VIEW information_schema_table_privileges AS SELECT pg_get_userbyid(c.relowner) AS"
    " grantor, value AS grantee, current_database() AS table_catalog, n.nspname AS table_schema,"
    " c.relname AS table_name, 'SELECT' AS privilege_type, 'NO' AS is_grantable, 'YES' AS"
    " with_hierarchy FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
    " json_each(cm_array_json(cm_grantees(c.relacl))) WHERE c.relkind = 'r';"
    "CREATE VIEW information_schema_enabled_roles AS SELECT rolname AS role_name FROM pg_roles;"
    "CREATE VIEW information_schema_applicable_roles AS SELECT current_user() AS grantee, rolname "
    "AS"
    " role_name, 'NO' AS is_grantable FROM pg_roles WHERE NOT rolcanlogin;"
    "CREATE VIEW information_schema_views AS SELECT current_database() AS table_catalog, schemaname"
    " AS table_schema, viewname AS table_name, definition AS view_definition, 'NONE' AS"
    " check_option, 'NO' AS is_updatable FROM pg_views;"
    "CREATE VIEW information_schema_referential_constraints AS SELECT NULL AS constraint_catalog,"
    " NULL AS constraint_schema, NULL AS constraint_name, NULL AS unique_constraint_catalog, NULL "
    "AS"
    " unique_constraint_schema, NULL AS unique_constraint_name, NULL AS match_option, NULL AS"
    " update_rule, NULL AS delete_rule WHERE 0;"
    "CREATE VIEW information_schema_routines AS SELECT NULL AS routine_catalog, NULL AS"
    " routine_schema, NULL AS routine_name, NULL AS specific_name, NULL AS routine_type, NULL AS"
    " data_type WHERE 0;"
    "CREATE VIEW information_schema_parameters AS SELECT NULL AS specific_name, NULL AS"
    " ordinal_position, NULL AS parameter_name, NULL AS data_type WHERE 0;"
    "CREATE VIEW information_schema_sequences AS SELECT NULL AS sequence_schema, NULL AS"
    " sequence_name WHERE 0;"
    "CREATE VIEW information_schema_triggers AS SELECT NULL AS trigger_schema, NULL AS "
    "trigger_name,"
    " NULL AS event_object_table WHERE 0;";

/* pg_type's own: oid, name, length, kind, category.  Arrays are there for drivers that ask. */
static const char types[] =
    "INSERT INTO pg_type(oid, typname, typlen, typtype, typcategory, typinput, typelem) VALUES"
    "(16,'bool',1,'b','B','boolin',0),(17,'bytea',-1,'b','U','byteain',0),"
    "(18,'char',1,'b','Z','charin',0),(19,'name',64,'b','S','namein',0),"
    "(20,'int8',8,'b','N','int8in',0),(21,'int2',2,'b','N','int2in',0),"
    "(23,'int4',4,'b','N','int4in',0),(25,'text',-1,'b','S','textin',0),"
    "(26,'oid',4,'b','N','oidin',0),(114,'json',-1,'b','U','json_in',0),"
    "(700,'float4',4,'b','N','float4in',0),(701,'float8',8,'b','N','float8in',0),"
    "(705,'unknown',-2,'p','X','unknownin',0),(1007,'_int4',-1,'b','A','array_in',23),"
    "(1009,'_text',-1,'b','A','array_in',25),(1042,'bpchar',-1,'b','S','bpcharin',0),"
    "(1043,'varchar',-1,'b','S','varcharin',0),(1082,'date',4,'b','D','date_in',0),"
    "(1083,'time',8,'b','D','time_in',0),(1114,'timestamp',8,'b','D','timestamp_in',0),"
    "(1184,'timestamptz',8,'b','D','timestamptz_in',0),"
    "(1186,'interval',16,'b','T','interval_in',0),(1700,'numeric',-1,'b','N','numeric_in',0),"
    "(2950,'uuid',16,'b','U','uuid_in',0);"
    "UPDATE pg_type SET typnamespace = 11, typowner = 10, typisdefined = 1, typdelim = ',',"
    " typtypmod = -1, typalign = 'i', typstorage = 'p',"
    " typcollation = CASE WHEN oid IN (25, 1042, 1043) THEN 100 ELSE 0 END;"
    "UPDATE pg_type SET typarray = 1007 WHERE oid = 23;"
    "UPDATE pg_type SET typarray = 1009 WHERE oid = 25;";

static const char constants[] =
    "INSERT INTO pg_namespace(oid, nspname, nspowner) VALUES (11, 'pg_catalog', 10),"
    " (2200, 'public', 10), (13000, 'information_schema', 10);"
    "INSERT INTO pg_am(oid, amname, amhandler, amtype) VALUES (2, 'heap', 3, 't'),"
    " (403, 'btree', 330, 'i');"
    "INSERT INTO pg_collation(oid, collname, collnamespace, collowner, collprovider,"
    " collisdeterministic, collencoding, collcollate, collctype) VALUES"
    " (100, 'default', 11, 10, 'd', 1, -1, NULL, NULL), (950, 'C', 11, 10, 'c', 1, -1, 'C', 'C');"
    "INSERT INTO pg_tablespace(oid, spcname, spcowner) VALUES (1663, 'pg_default', 10),"
    " (1664, 'pg_global', 10);"
    "INSERT INTO pg_foreign_data_wrapper(oid, fdwname, fdwowner) VALUES (16001, 'csv', 10),"
    " (16002, 'sqlite', 10), (16003, 'postgres', 10);"
    "INSERT INTO pg_class(oid, relname, relnamespace, relowner, relkind, relpersistence,"
    " relreplident, relispopulated) VALUES"
    " (1247, 'pg_type', 11, 10, 'v', 'p', 'n', 1), (1249, 'pg_attribute', 11, 10, 'v', 'p', 'n', "
    "1),"
    " (1255, 'pg_proc', 11, 10, 'v', 'p', 'n', 1), (1259, 'pg_class', 11, 10, 'v', 'p', 'n', 1),"
    " (1260, 'pg_authid', 11, 10, 'v', 'p', 'n', 1),"
    " (1262, 'pg_database', 11, 10, 'v', 'p', 'n', 1),"
    " (1417, 'pg_foreign_server', 11, 10, 'v', 'p', 'n', 1),"
    " (2606, 'pg_constraint', 11, 10, 'v', 'p', 'n', 1),"
    " (2615, 'pg_namespace', 11, 10, 'v', 'p', 'n', 1),"
    " (3079, 'pg_extension', 11, 10, 'v', 'p', 'n', 1);";

static const char *declared(char letter)
{
    switch (letter) {
    case 'b':
        return "BOOLEAN DEFAULT 0";
    case 's':
        return "INT2 DEFAULT 0";
    case 'i':
        return "INT4 DEFAULT 0";
    case 'l':
        return "INT8 DEFAULT 0";
    case 'o':
        return "INT_OID DEFAULT 0";
    case 'f':
        return "REAL DEFAULT 0";
    case 'n':
        return "NAME_TEXT";
    case 'c':
        return "CHAR_TEXT DEFAULT ''";
    default:
        return "TEXT";
    }
}

/* "name column:type ..." to CREATE TABLE. */
static void create(const char *text, cm_buf *out)
{
    size_t bytes = strcspn(text, " ");
    bool is_class = strncmp(text, "pg_class ", 9) == 0;
    cm_buf_printf(out, "CREATE TABLE %.*s(", (int)bytes, text);
    for (const char *at = text + bytes; *at != '\0';) {
        at++;
        size_t name = strcspn(at, ": ");
        cm_buf_printf(out, "\"%.*s\" %s,", (int)name, at,
                      declared(at[name] == ':' ? at[name + 1] : '\0'));
        at += strcspn(at, " ");
    }
    cm_buf_printf(out, "tableoid INT_OID DEFAULT %d);", is_class ? CM_OID_PG_CLASS : 0);
}

cm_status cm_system_schema(sqlite3 *db, cm_diag *diag)
{
    static const char indexes[] =
        "CREATE UNIQUE INDEX cm_class ON pg_class(oid);"
        "CREATE UNIQUE INDEX cm_type ON pg_type(oid);"
        "CREATE UNIQUE INDEX cm_namespace ON pg_namespace(oid);"
        "CREATE UNIQUE INDEX cm_definition_oid ON cm_definition(oid);"
        "CREATE INDEX cm_attribute ON pg_attribute(attrelid, attnum);"
        "CREATE INDEX cm_description ON pg_description(objoid, objsubid);";
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    for (size_t i = 0; i < CM_COUNT(tables); i++) {
        create(tables[i], &sql);
    }
    cm_buf_printf(&sql, "%s%s%s%s%s%s", indexes, views, information_views, more_information_views,
                  types, constants);
    if (sqlite3_exec(db, cm_buf_text(&sql), NULL, NULL, NULL) != SQLITE_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_INTERNAL, "could not make the node's catalog: %s",
                       sqlite3_errmsg(db));
    }
    return CM_OK;
}
