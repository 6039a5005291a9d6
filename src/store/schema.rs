//! The tables as diesel sees them; mirrors `migrations/` (a test compares it with both databases).

diesel::table! {
    tenants (tenant_id) {
        tenant_id -> Text,
        display_name -> Text,
        default_domain -> Text,
        is_partner -> Bool,
        is_demo -> Bool,
        security_defaults_enabled -> Bool,
        created_at -> BigInt,
        registration_proof -> Text,
        mfa_reset_approval_threshold -> Nullable<BigInt>,
    }
}

diesel::table! {
    signing_keys (tenant_id, key_id) {
        tenant_id -> Text,
        key_id -> Text,
        public_key -> Text,
        sealed_private_key -> Text,
        created_at -> BigInt,
        retired_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    applications (tenant_id, application_id) {
        tenant_id -> Text,
        application_id -> Text,
        display_name -> Text,
        permissions -> Text,
        secrets -> Text,
        is_enabled -> Bool,
        created_at -> BigInt,
        key_credentials -> Text,
        federated_credentials -> Text,
    }
}

diesel::table! {
    users (tenant_id, user_id) {
        tenant_id -> Text,
        user_id -> Text,
        user_principal_name -> Text,
        user_principal_name_key -> Text,
        display_name -> Text,
        given_name -> Nullable<Text>,
        surname -> Nullable<Text>,
        mail -> Nullable<Text>,
        user_type -> Text,
        account_enabled -> Bool,
        profile -> Text,
        created_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        sessions_valid_from -> BigInt,
        per_user_mfa_state -> Text,
        opt_out_reason -> Nullable<Text>,
        opt_out_expires_at -> Nullable<BigInt>,
        registration_required_at -> Nullable<BigInt>,
        registration_required_by -> Nullable<Text>,
        registration_required_reason -> Nullable<Text>,
        preferred_method -> Nullable<Text>,
        system_preferred_enabled -> Bool,
        display_name_key -> Nullable<Text>,
        given_name_key -> Nullable<Text>,
        surname_key -> Nullable<Text>,
        mail_key -> Nullable<Text>,
        change_sequence -> BigInt,
        registration_class -> Nullable<Text>,
    }
}

diesel::table! {
    user_words (tenant_id, user_id, word) {
        tenant_id -> Text,
        user_id -> Text,
        word -> Text,
    }
}

diesel::table! {
    purged_users (tenant_id, change_sequence, user_id) {
        tenant_id -> Text,
        change_sequence -> BigInt,
        user_id -> Text,
        purged_at -> BigInt,
    }
}

diesel::table! {
    registration_counts (tenant_id, class) {
        tenant_id -> Text,
        class -> Text,
        users -> BigInt,
    }
}

diesel::table! {
    role_assignments (tenant_id, user_id, role_id) {
        tenant_id -> Text,
        user_id -> Text,
        role_id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    methods (tenant_id, user_id, method_id) {
        tenant_id -> Text,
        user_id -> Text,
        method_id -> Text,
        kind -> Text,
        detail -> Text,
        sealed_secret -> Nullable<Text>,
        sms_sign_in_number -> Nullable<Text>,
        last_step -> Nullable<BigInt>,
        pending_until -> Nullable<BigInt>,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    hardware_oath_devices (tenant_id, device_id) {
        tenant_id -> Text,
        device_id -> Text,
        serial_number -> Text,
        manufacturer -> Text,
        model -> Text,
        display_name -> Nullable<Text>,
        time_interval_seconds -> Integer,
        hash_function -> Text,
        sealed_secret -> Text,
        status -> Text,
        assigned_to -> Nullable<Text>,
        assigned_at -> Nullable<BigInt>,
        last_step -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        created_at -> BigInt,
        otp_type -> Text,
        digits -> Integer,
        drift_steps -> BigInt,
    }
}

diesel::table! {
    audit_events (tenant_id, sequence) {
        tenant_id -> Text,
        sequence -> BigInt,
        event_id -> Text,
        activity_at -> BigInt,
        activity_display_name -> Text,
        category -> Text,
        logged_by_service -> Text,
        operation_type -> Text,
        result -> Text,
        result_reason -> Text,
        correlation_id -> Text,
        initiator_kind -> Text,
        initiator_id -> Nullable<Text>,
        initiator_display_name -> Nullable<Text>,
        initiator_principal_name -> Nullable<Text>,
        ip_address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        target_type -> Nullable<Text>,
        target_id -> Nullable<Text>,
        target_display_name -> Nullable<Text>,
        target_principal_name -> Nullable<Text>,
        modified_properties -> Text,
        additional_details -> Text,
        previous_hash -> Text,
        hash -> Text,
    }
}

diesel::table! {
    audit_heads (tenant_id) {
        tenant_id -> Text,
        sequence -> BigInt,
        hash -> Text,
        key_id -> Text,
        signature -> Text,
    }
}

diesel::table! {
    idempotency_keys (tenant_id, caller_id, idempotency_key) {
        tenant_id -> Text,
        caller_id -> Text,
        idempotency_key -> Text,
        fingerprint -> Text,
        sealed_answer -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    authentication_policies (tenant_id) {
        tenant_id -> Text,
        document -> Text,
        modified_at -> BigInt,
    }
}

diesel::table! {
    sign_in_sessions (tenant_id, session_id) {
        tenant_id -> Text,
        session_id -> Text,
        application_id -> Text,
        user_id -> Nullable<Text>,
        status -> Text,
        state -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        completed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    challenges (tenant_id, challenge_id) {
        tenant_id -> Text,
        challenge_id -> Text,
        user_id -> Text,
        purpose -> Text,
        method_id -> Nullable<Text>,
        session_id -> Nullable<Text>,
        lookup -> Nullable<Text>,
        sealed_state -> Text,
        tries_left -> Integer,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    guesses (tenant_id, subject, kind) {
        tenant_id -> Text,
        subject -> Text,
        kind -> Text,
        failures -> Integer,
        last_failure_at -> BigInt,
    }
}

diesel::table! {
    messages (tenant_id, message_id) {
        tenant_id -> Text,
        message_id -> Text,
        channel -> Text,
        sealed_message -> Text,
        attempts -> Integer,
        next_attempt_at -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    send_counts (tenant_id, scope, window_start) {
        tenant_id -> Text,
        scope -> Text,
        window_start -> BigInt,
        sent -> Integer,
    }
}

diesel::table! {
    operations (tenant_id, user_id, operation_id) {
        tenant_id -> Text,
        user_id -> Text,
        operation_id -> Text,
        status -> Text,
        status_detail -> Nullable<Text>,
        resource_location -> Text,
        created_at -> BigInt,
        last_action_at -> BigInt,
    }
}

diesel::table! {
    sign_ins (tenant_id, sign_in_id) {
        tenant_id -> Text,
        sign_in_id -> Text,
        created_at -> BigInt,
        user_id -> Nullable<Text>,
        user_display_name -> Nullable<Text>,
        user_principal_name -> Nullable<Text>,
        application_id -> Text,
        application_display_name -> Text,
        error_code -> Integer,
        failure_reason -> Nullable<Text>,
        ip_address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        correlation_id -> Text,
        details -> Text,
    }
}

diesel::table! {
    relationships (tenant_id, relationship_id) {
        tenant_id -> Text,
        relationship_id -> Text,
        customer_tenant_id -> Nullable<Text>,
        customer_display_name -> Nullable<Text>,
        display_name -> Text,
        duration -> Text,
        auto_extend_duration -> Text,
        roles -> Text,
        status -> Text,
        created_at -> BigInt,
        modified_at -> BigInt,
        activated_at -> Nullable<BigInt>,
        ends_at -> Nullable<BigInt>,
        expiring_at -> Nullable<BigInt>,
        version -> BigInt,
    }
}

diesel::table! {
    access_assignments (tenant_id, relationship_id, assignment_id) {
        tenant_id -> Text,
        relationship_id -> Text,
        assignment_id -> Text,
        container_type -> Text,
        container_id -> Text,
        roles -> Text,
        created_at -> BigInt,
        modified_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    relationship_requests (tenant_id, relationship_id, request_id) {
        tenant_id -> Text,
        relationship_id -> Text,
        request_id -> Text,
        action -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    relationship_operations (tenant_id, relationship_id, operation_id) {
        tenant_id -> Text,
        relationship_id -> Text,
        operation_id -> Text,
        operation_type -> Text,
        data -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    mfa_resets (tenant_id, mfa_reset_id) {
        tenant_id -> Text,
        mfa_reset_id -> Text,
        status -> Text,
        version -> BigInt,
        request -> Text,
        creator -> Text,
        creator_id -> Text,
        creator_display_name -> Text,
        confirmed_by_id -> Nullable<Text>,
        confirmed_by_display_name -> Nullable<Text>,
        has_customers -> Bool,
        duplicate_count -> BigInt,
        created_at -> BigInt,
        confirmed_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        expires_at -> BigInt,
    }
}

diesel::table! {
    mfa_reset_parts (tenant_id, mfa_reset_id, target_tenant_id) {
        tenant_id -> Text,
        mfa_reset_id -> Text,
        target_tenant_id -> Text,
        display_name -> Nullable<Text>,
        status -> Text,
        due_at -> BigInt,
        selections -> Text,
        selected_until -> Nullable<Text>,
        summary -> Text,
        queued_count -> BigInt,
        pending_count -> BigInt,
        done_count -> BigInt,
        nothing_to_do_count -> BigInt,
        not_found_count -> BigInt,
        not_permitted_count -> BigInt,
        failed_count -> BigInt,
        cancelled_count -> BigInt,
    }
}

diesel::table! {
    mfa_reset_items (tenant_id, mfa_reset_id, item_number) {
        tenant_id -> Text,
        mfa_reset_id -> Text,
        item_number -> BigInt,
        target_tenant_id -> Text,
        named -> Nullable<Text>,
        reason -> Nullable<Text>,
        user_id -> Nullable<Text>,
        user_principal_name -> Nullable<Text>,
        status -> Text,
        planned -> Nullable<Text>,
        problem -> Nullable<Text>,
        report -> Nullable<Text>,
        finished_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    trusted_issuers (tenant_id, issuer_id) {
        tenant_id -> Text,
        issuer_id -> Text,
        display_name -> Text,
        issuer -> Text,
        audience -> Text,
        jwks_uri -> Nullable<Text>,
        user_claim -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    used_assertions (tenant_id, application_id, jti_digest) {
        tenant_id -> Text,
        application_id -> Text,
        jti_digest -> Text,
        expires_at -> BigInt,
    }
}
