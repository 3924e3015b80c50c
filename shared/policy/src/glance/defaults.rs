//! Every policy of Glance 33 with its default (`glance/policies/*.py`).
//!
//! A table. `tests/compat/policy.py` compares it with what an installed Glance registers.

use super::{PolicyDefault, anywhere, project};

const ADMIN: &str = "rule:context_is_admin";
const DEFAULT: &str = "rule:default";
const METADEF_ADMIN: &str = "rule:metadef_admin";
const MEMBER: &str = "rule:context_is_admin or (role:member and project_id:%(project_id)s)";
const READER: &str = "rule:context_is_admin or (role:reader and project_id:%(project_id)s)";
const SEES: &str = "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or \
                    project_id:%(member_id)s or 'community':%(visibility)s or \
                    'public':%(visibility)s or 'shared':%(visibility)s))";
const DOWNLOADS: &str = "rule:context_is_admin or (role:member and (project_id:%(project_id)s or \
                         project_id:%(member_id)s or 'community':%(visibility)s or \
                         'public':%(visibility)s or 'shared':%(visibility)s))";
const READER_OR_SHARED: &str = "rule:context_is_admin or role:reader and \
                                (project_id:%(project_id)s or project_id:%(member_id)s)";
const NAMESPACE_READER: &str = "rule:context_is_admin or (role:reader and \
                                (project_id:%(project_id)s or 'public':%(visibility)s))";

/// In the order of `glance.policies.list_rules()`.
pub(super) const DEFAULTS: &[PolicyDefault] = &[
    anywhere("default", "").was(ADMIN),
    anywhere("context_is_admin", "role:admin"),
    anywhere("service_api", "role:service or role:admin"),
    project("add_image", "rule:context_is_admin or (role:member and project_id:%(project_id)s and project_id:%(owner)s)").was(DEFAULT),
    project("delete_image", MEMBER).was(DEFAULT),
    project("get_image", SEES).was(DEFAULT),
    project("get_images", READER).was(DEFAULT),
    project("modify_image", MEMBER).was(DEFAULT),
    project("publicize_image", ADMIN),
    project("communitize_image", MEMBER).was(DEFAULT),
    project("download_image", DOWNLOADS).was(DEFAULT),
    project("download_from_store", DOWNLOADS),
    project("upload_image", MEMBER).was(DEFAULT),
    project("delete_image_location", ADMIN).was(DEFAULT),
    project("get_image_location", READER).was(DEFAULT),
    project("set_image_location", MEMBER).was(DEFAULT),
    project("add_image_location", "rule:service_api or (role:member and project_id:%(project_id)s and project_id:%(owner)s)"),
    project("fetch_image_location", "rule:service_api"),
    project("add_member", MEMBER).was(DEFAULT),
    project("delete_member", MEMBER).was(DEFAULT),
    project("get_member", READER_OR_SHARED).was(DEFAULT),
    project("get_members", READER_OR_SHARED).was(DEFAULT),
    project("modify_member", "rule:context_is_admin or (role:member and project_id:%(member_id)s)").was(DEFAULT),
    project("manage_image_cache", ADMIN),
    project("deactivate", MEMBER).was(DEFAULT),
    project("reactivate", MEMBER).was(DEFAULT),
    project("copy_image", ADMIN),
    project("list_cached_nodes", ADMIN),
    project("get_task", DEFAULT).was(DEFAULT),
    project("get_tasks", DEFAULT).was(DEFAULT),
    project("add_task", DEFAULT).was(DEFAULT),
    project("modify_task", DEFAULT),
    project("tasks_api_access", ADMIN),
    anywhere("metadef_default", ""),
    anywhere("metadef_admin", ADMIN),
    project("get_metadef_namespace", NAMESPACE_READER).was("rule:metadef_default"),
    project("get_metadef_namespaces", READER).was("rule:metadef_default"),
    project("modify_metadef_namespace", METADEF_ADMIN),
    project("add_metadef_namespace", METADEF_ADMIN),
    project("delete_metadef_namespace", METADEF_ADMIN),
    project("get_metadef_object", NAMESPACE_READER).was("rule:metadef_default"),
    project("get_metadef_objects", NAMESPACE_READER).was("rule:metadef_default"),
    project("modify_metadef_object", METADEF_ADMIN),
    project("add_metadef_object", METADEF_ADMIN),
    project("delete_metadef_object", METADEF_ADMIN),
    project("list_metadef_resource_types", NAMESPACE_READER).was("rule:metadef_default"),
    project("get_metadef_resource_type", NAMESPACE_READER).was("rule:metadef_default"),
    project("add_metadef_resource_type_association", METADEF_ADMIN),
    project("remove_metadef_resource_type_association", METADEF_ADMIN),
    project("get_metadef_property", NAMESPACE_READER).was("rule:metadef_default"),
    project("get_metadef_properties", NAMESPACE_READER).was("rule:metadef_default"),
    project("modify_metadef_property", METADEF_ADMIN),
    project("add_metadef_property", METADEF_ADMIN),
    project("remove_metadef_property", METADEF_ADMIN),
    project("get_metadef_tag", NAMESPACE_READER).was("rule:metadef_default"),
    project("get_metadef_tags", NAMESPACE_READER).was("rule:metadef_default"),
    project("modify_metadef_tag", METADEF_ADMIN),
    project("add_metadef_tag", METADEF_ADMIN),
    project("add_metadef_tags", METADEF_ADMIN),
    project("delete_metadef_tag", METADEF_ADMIN),
    project("delete_metadef_tags", METADEF_ADMIN),
    project("cache_image", ADMIN).was("rule:manage_image_cache"),
    project("cache_list", ADMIN).was("rule:manage_image_cache"),
    project("cache_delete", ADMIN).was("rule:manage_image_cache"),
    project("cache_clean", ADMIN),
    project("cache_prune", ADMIN),
    project("stores_info_detail", "rule:context_is_admin or rule:service_api").was(ADMIN),
];
