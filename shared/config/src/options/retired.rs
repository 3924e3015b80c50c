//! Options that earlier releases of Glance had, up to 2023.2, and files may still hold.
//!
//! A table and nothing else; [`super`] says how it is used. Names, types and defaults are those of
//! Glance 27 (`glance/common/wsgi.py`, `glance/common/config.py`, `glance/image_cache`).

use super::{FROM_0, FROM_1, Kind, OptionDef, PORT, opt};

pub(super) const OPTIONS: &[OptionDef] = &[
    // Glance dropped its own server with these. Glint has one and keeps the first two.
    opt("DEFAULT", "bind_host", Kind::Text, None),
    opt("DEFAULT", "bind_port", PORT, None),
    opt("DEFAULT", "workers", FROM_0, None),
    opt("DEFAULT", "backlog", FROM_1, Some("4096")),
    opt("DEFAULT", "tcp_keepidle", FROM_1, Some("600")),
    opt("DEFAULT", "ca_file", Kind::Text, None),
    opt("DEFAULT", "cert_file", Kind::Text, None),
    opt("DEFAULT", "key_file", Kind::Text, None),
    opt("DEFAULT", "max_header_line", FROM_0, Some("16384")),
    opt("DEFAULT", "http_keepalive", Kind::Bool, Some("True")),
    opt("DEFAULT", "client_socket_timeout", FROM_0, Some("900")),
    opt("DEFAULT", "secure_proxy_ssl_header", Kind::Text, None),
    opt("DEFAULT", "admin_role", Kind::Text, Some("admin")),
    opt("DEFAULT", "owner_is_tenant", Kind::Bool, Some("True")),
    opt("DEFAULT", "send_identity_headers", Kind::Bool, Some("False")),
    opt("DEFAULT", "allow_additional_image_properties", Kind::Bool, Some("True")),
    opt("DEFAULT", "enable_v2_api", Kind::Bool, Some("True")),
    opt("DEFAULT", "enable_v1_api", Kind::Bool, Some("False")),
    opt("DEFAULT", "data_api", Kind::Text, Some("glance.db.sqlalchemy.api")),
    opt("DEFAULT", "registry_host", Kind::Text, Some("0.0.0.0")),
    opt("DEFAULT", "registry_port", PORT, Some("9191")),
    opt("DEFAULT", "use_user_token", Kind::Bool, Some("True")),
    opt("DEFAULT", "cache_prefetcher_interval", FROM_1, Some("300")),
    opt(
        "DEFAULT",
        "location_strategy",
        Kind::Choice(&["location_order", "store_type"]),
        Some("location_order"),
    ),
    opt("store_type_location_strategy", "store_type_preference", Kind::List, Some("")),
];
