//! How SQLite goes about pages of users: along one index, from where the page before ended, without sorting.

use super::{
    super::filter::UserField,
    branch::{Along, Range},
    *,
};
use crate::store::{
    conditions::plan,
    filter::{Filter, Operator},
};

const BY_ID: &str = "users_present";

fn test(field: UserField, operator: Operator) -> UserFilter {
    Filter::Test(field, operator)
}

fn eq(field: UserField) -> UserFilter {
    test(field, Operator::Eq)
}

fn both(left: UserFilter, right: UserFilter) -> UserFilter {
    Filter::And(Box::new(left), Box::new(right))
}

#[tokio::test]
async fn a_page_costs_the_same_however_many_users_there_are() {
    let (store, _folder) = plan::store();
    let plans = store.read(|tx| {
        let text = || "a".to_owned();
        let begins = |field| test(field, Operator::StartsWith);
        let cases = [
            (None, None, BY_ID, "user_id>?"),
            (Some(eq(UserField::AccountEnabled(false))), None, BY_ID, "user_id>?"),
            (Some(test(UserField::Mail(Some(text())), Operator::EndsWith)), None, BY_ID, "user_id>?"),
            (Some(eq(UserField::Id(text()))), None, "sqlite_autoindex_users_1", "user_id=?"),
            (Some(eq(UserField::UserPrincipalName(text()))), None, "users_by_name", "user_principal_name_key=?"),
            (
                Some(begins(UserField::UserPrincipalName(text()))),
                None,
                "users_by_name",
                "user_principal_name_key>? AND user_principal_name_key<?",
            ),
            (
                Some(begins(UserField::DisplayName(text()))),
                None,
                "users_by_display_name",
                "(display_name_key,user_id)>(?,?) AND display_name_key<?",
            ),
            (
                Some(eq(UserField::GivenName(Some(text())))),
                None,
                "users_by_given_name",
                "given_name_key=? AND user_id>?",
            ),
            (Some(eq(UserField::Surname(Some(text())))), None, "users_by_surname", "surname_key=? AND user_id>?"),
            (
                Some(begins(UserField::Mail(Some(text())))),
                None,
                "users_by_mail",
                "(mail_key,user_id)>(?,?) AND mail_key<?",
            ),
            (
                Some(both(eq(UserField::AccountEnabled(true)), begins(UserField::Surname(Some(text()))))),
                None,
                "users_by_surname",
                "(surname_key,user_id)>(?,?) AND surname_key<?",
            ),
            (None, Some((Key::DisplayName, false)), "users_by_display_name", "(display_name_key,user_id)>(?,?)"),
            (None, Some((Key::UserPrincipalName, true)), "users_by_name", "user_principal_name_key<?"),
            (
                Some(eq(UserField::AccountEnabled(false))),
                Some((Key::DisplayName, true)),
                "users_by_display_name",
                "(display_name_key,user_id)<(?,?)",
            ),
            (
                Some(begins(UserField::DisplayName(text()))),
                Some((Key::DisplayName, true)),
                "users_by_display_name",
                "display_name_key>? AND (display_name_key,user_id)<(?,?)",
            ),
        ];
        let mut plans = vec![];
        for (filter, order, index, behind) in cases {
            let mut plan = |after| {
                let query = UserQuery { filter: filter.clone(), order, after, size: 100 };
                plan::of(tx, |tx| page(tx, &TenantId::new("t"), &query))
            };
            let place = Place(0, Some(("a".into(), UserId::new("u"))));
            plans.push((plan(None), format!("{index} (tenant_id=?")));
            plans.push((plan(Some(place)), format!("{index} (tenant_id=? AND {behind})")));
        }
        Ok(plans)
    });
    for (plan, way) in plans.await.unwrap() {
        let expected = [format!("SEARCH users USING INDEX {way}"), format!("SEARCH users USING COVERING INDEX {way}")];
        assert!(expected.iter().any(|expected| plan.starts_with(expected)), "{way}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{way}: {plan}");
    }
}

#[test]
fn the_narrowest_index_is_walked_branch_by_branch() {
    let along = |filter: &UserFilter| {
        let query = UserQuery { filter: Some(filter.clone()), ..UserQuery::default() };
        branch::all(&query).into_iter().map(|branch| (branch.along, branch.rest)).collect::<Vec<_>>()
    };
    let name = test(UserField::DisplayName("Ana".into()), Operator::StartsWith);
    let mail = test(UserField::Mail(Some("ANA@x".into())), Operator::Eq);
    let either = Filter::Or(Box::new(name.clone()), Box::new(mail.clone()));
    let by_name = Along::Key(Key::DisplayName, Range::BeginsWith("ana".into()));
    let by_mail = Along::Key(Key::Mail, Range::Is("ana@x".into()));
    let not_by_name = Some(Filter::Not(Box::new(name.clone())));
    assert_eq!(along(&either), [(by_name.clone(), None), (by_mail.clone(), not_by_name)]);
    // The narrower of two bounds, and the whole condition on the way.
    let all = both(name.clone(), mail);
    assert_eq!(along(&all), [(by_mail.clone(), Some(all.clone()))]);
    // No index bounds it.
    let disabled = eq(UserField::AccountEnabled(false));
    let open = Filter::Or(Box::new(name), Box::new(disabled));
    assert_eq!(along(&open), [(Along::Key(Key::Id, Range::All), Some(open.clone()))]);
    let word = test(UserField::Word("ana".into()), Operator::StartsWith);
    assert_eq!(along(&word), [(Along::Words("ana".into()), None)]);
    // An order has its own index, which others may lead past.
    let leading = |filter: Option<UserFilter>| {
        let query = UserQuery { filter, order: Some((Key::DisplayName, true)), ..UserQuery::default() };
        let leading = branch::leading(&query, &branch::all(&query));
        leading.map(|branches| branches.into_iter().map(|branch| branch.along).collect::<Vec<_>>())
    };
    assert_eq!(leading(Some(word)), Some(vec![Along::Words("ana".into())]));
    assert_eq!(leading(Some(either)), Some(vec![by_name, by_mail.clone()]));
    assert_eq!(leading(Some(all)), None);
    assert_eq!(leading(Some(open)), None);
    assert_eq!(leading(None), None);
}
