//! How SQLite goes about pages of users: along one index, from where the page before ended, without sorting.

use super::*;
use crate::store::conditions::plan;

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
            (None, None, "sqlite_autoindex_users_1"),
            (Some(eq(UserField::AccountEnabled(false))), None, "sqlite_autoindex_users_1"),
            (Some(test(UserField::Mail(Some(text())), Operator::EndsWith)), None, "sqlite_autoindex_users_1"),
            (Some(eq(UserField::Id(text()))), None, "sqlite_autoindex_users_1"),
            (Some(eq(UserField::UserPrincipalName(text()))), None, "users_by_name"),
            (Some(begins(UserField::UserPrincipalName(text()))), None, "users_by_name"),
            (Some(begins(UserField::DisplayName(text()))), None, "users_by_display_name"),
            (Some(eq(UserField::GivenName(Some(text())))), None, "users_by_given_name"),
            (Some(eq(UserField::Surname(Some(text())))), None, "users_by_surname"),
            (Some(begins(UserField::Mail(Some(text())))), None, "users_by_mail"),
            (
                Some(both(eq(UserField::AccountEnabled(true)), begins(UserField::Surname(Some(text()))))),
                None,
                "users_by_surname",
            ),
            (None, Some((Key::DisplayName, false)), "users_by_display_name"),
            (None, Some((Key::UserPrincipalName, true)), "users_by_name"),
            (Some(eq(UserField::AccountEnabled(false))), Some((Key::DisplayName, true)), "users_by_display_name"),
            (Some(begins(UserField::DisplayName(text()))), Some((Key::DisplayName, true)), "users_by_display_name"),
        ];
        let mut plans = vec![];
        for (filter, order, index) in cases {
            for after in [None, Some(Place(0, Some(("a".into(), UserId::new("u")))))] {
                let query = UserQuery { filter: filter.clone(), order, after, size: 100 };
                plans.push((plan::of(tx, |tx| page(tx, &TenantId::new("t"), &query)), index));
            }
        }
        Ok(plans)
    });
    for (plan, index) in plans.await.unwrap() {
        let expected =
            [format!("SEARCH users USING INDEX {index} "), format!("SEARCH users USING COVERING INDEX {index} ")];
        assert!(expected.iter().any(|expected| plan.starts_with(expected)), "{index}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{index}: {plan}");
    }
}

#[test]
fn a_choice_is_walked_branch_by_branch() {
    let along = |filter: &UserFilter| {
        let query = UserQuery { filter: Some(filter.clone()), ..UserQuery::default() };
        branches(&query).into_iter().map(|branch| (branch.along, branch.rest)).collect::<Vec<_>>()
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
    assert_eq!(along(&all), [(by_mail, Some(all.clone()))]);
    // No index bounds it.
    let disabled = eq(UserField::AccountEnabled(false));
    let open = Filter::Or(Box::new(name), Box::new(disabled));
    assert_eq!(along(&open), [(Along::Key(Key::Id, Range::All), Some(open.clone()))]);
    let word = test(UserField::Word("ana".into()), Operator::StartsWith);
    assert_eq!(along(&word), [(Along::Words("ana".into()), None)]);
}
