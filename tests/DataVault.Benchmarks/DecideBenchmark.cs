using System.Diagnostics;
using System.Globalization;
using System.Security.Claims;
using DataVault.Policy;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Infrastructure;
using Microsoft.Extensions.DependencyInjection;

namespace DataVault.Benchmarks;

/// <summary>
/// What one decision costs: a read of 30 fields under a made-up policy of 100 roles, 50 purposes, 200 fields and 2,000 rules. Beside it, over the same rules
/// and the same requests: going through all rules for each field, the same with each rule's test compiled to a delegate (what rules engines do), and ASP.NET
/// Core's authorisation with a requirement per field that goes through the rules of the role and purpose alone. All four must agree on every form.
/// </summary>
internal static class DecideBenchmark
{
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    public static Task RunAsync(BenchmarkOptions options)
    {
        var (rounds, count, slow) = (options.Number("rounds", 9), options.Number("decisions", 200_000), options.Number("slow", 400));
        var made = new MadeUpPolicy(options.Number("roles", 100), options.Number("purposes", 50), options.Number("fields", 200), options.Number("rules", 2_000));
        var watch = Stopwatch.StartNew();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var policy = PolicySet.Load(made.Files());
        Print($"loaded and compiled in {watch.ElapsedMilliseconds} ms, {(GC.GetTotalMemory(forceFullCollection: true) - before) / 1e6:F1} MB");
        var requests = made.Requests(policy, options.Number("requests", 256), options.Number("items", 30));
        var naive = new NaiveRules(policy.Rules, policy.Roles);
        var compiled = new CompiledRules(policy.Rules, policy.Roles);
        var framework = new FrameworkRules(policy);
        Check(policy, requests, naive, compiled, framework);

        Action<int> ours = n => policy.Decisions.Decide(requests[n % requests.Count].Request, requests[n % requests.Count].Facts, Now);
        var decided = Measure("DataVault: the compiled table", ours, rounds, count, null);
        Measure("every rule for every field", n => naive.Decide(requests[n % requests.Count], Now), rounds, slow, decided);
        Measure("every rule for every field, as delegates", n => compiled.Decide(requests[n % requests.Count], Now), rounds, slow, decided);
        Measure("ASP.NET Core authorisation, a requirement a field", n => framework.Decide(requests[n % requests.Count]), rounds, slow * 4, decided);
        return Task.CompletedTask;
    }

    /// <summary>No peer is measured that answers something else.</summary>
    private static void Check(PolicySet policy, List<MadeUpRequest> requests, NaiveRules naive, CompiledRules compiled, FrameworkRules framework)
    {
        var (released, items) = (0, 0);
        foreach (var one in requests)
        {
            Form[] forms = [.. policy.Decisions.Decide(one.Request, one.Facts, Now).Items.Select(item => item.Form)];
            foreach (var other in new[] { naive.Decide(one, Now), compiled.Decide(one, Now), framework.Decide(one) })
            {
                if (!forms.SequenceEqual(other)) throw new InvalidOperationException("The peers do not agree.");
            }

            released += forms.Count(form => form != Form.Withheld);
            items += forms.Length;
        }

        Print($"{requests.Count} requests, {items / requests.Count} fields each, {100.0 * released / items:F0} % of them released");
    }

    private static double Measure(string name, Action<int> decide, int rounds, int count, double? ours)
    {
        for (var index = 0; index < count; index++) decide(index);
        var micros = new List<double>();
        long bytes = 0;
        for (var round = 0; round < rounds; round++)
        {
            var (allocated, start) = (GC.GetAllocatedBytesForCurrentThread(), ThreadClock.Nanoseconds());
            for (var index = 0; index < count; index++) decide(index);
            micros.Add((ThreadClock.Nanoseconds() - start) / 1000.0 / count);
            bytes = (GC.GetAllocatedBytesForCurrentThread() - allocated) / count;
        }

        micros.Sort();
        var median = micros[rounds / 2];
        Print($"  {name,-52}{median,12:N2} µs (range {micros[0]:N2} to {micros[^1]:N2}) {bytes,12:N0} bytes{(ours is null ? "" : $"   {median / ours:N0} times")}");
        return median;
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>What a plain evaluator does for one rule, whatever way it gets there.</summary>
    private static bool Speaks(Rule rule, IReadOnlyCollection<Role> lineage, Purpose purpose, AccessAction action, CatalogueItem item) =>
        rule.Purposes.Contains(purpose) && rule.Actions.Contains(action) && rule.Roles.Any(lineage.Contains) && rule.Items.Contains(item);

    /// <summary>The answer for one item, from those of its rules whose condition was tested.</summary>
    private static Form Conclude(MadeUpRequest one, CatalogueItem item, IEnumerable<(Rule Rule, bool Holds)> speaking)
    {
        var widest = Form.Withheld;
        foreach (var (rule, holds) in speaking)
        {
            if (rule.Forbids && !(holds && !rule.Guard.IsAlways)) return Form.Withheld;
            if (!rule.Forbids && holds && rule.FormFor(item, one.Request.Action) is var form && form > widest) widest = form;
        }

        return widest;
    }

    private static bool IsStopped(MadeUpRequest one, Purpose purpose, DateTimeOffset now) =>
        (purpose.NeedsConsent && ConsentState.Of(purpose.Id, purpose.Child is not null, one.Facts, now) != Obstacle.None) || (one.Facts.Restricted && purpose.StopsOnRestriction);

    private sealed class NaiveRules(IReadOnlyList<Rule> rules, RoleRegistry roles)
    {
        public Form[] Decide(MadeUpRequest one, DateTimeOffset now)
        {
            var (lineage, forms) = (roles.Lineage(one.Role), new Form[one.Request.Items!.Count]);
            for (var index = 0; index < forms.Length; index++)
            {
                var item = one.Request.Items[index].Item;
                if (IsStopped(one, one.Purpose, now)) continue;
                forms[index] = Conclude(one, item, rules.Where(rule => Speaks(rule, lineage, one.Purpose, one.Request.Action, item))
                    .Select(rule => (rule, rule.Guard.Test(one.Request, one.Facts, now) == Obstacle.None)));
            }

            return forms;
        }
    }

    private sealed class CompiledRules(IReadOnlyList<Rule> rules, RoleRegistry roles)
    {
        private readonly (Rule Rule, Func<Role, Purpose, AccessAction, CatalogueItem, bool> Speaks)[] tests =
            [.. rules.Select(rule => (rule, Compile(rule, roles)))];

        private static Func<Role, Purpose, AccessAction, CatalogueItem, bool> Compile(Rule rule, RoleRegistry roles)
        {
            HashSet<Role> named = [.. roles.All.Where(role => roles.Lineage(role).Any(rule.Roles.Contains))];
            HashSet<Purpose> purposes = [.. rule.Purposes];
            HashSet<CatalogueItem> items = [.. rule.Items];
            HashSet<AccessAction> actions = [.. rule.Actions];
            return (role, purpose, action, item) => named.Contains(role) && purposes.Contains(purpose) && items.Contains(item) && actions.Contains(action);
        }

        public Form[] Decide(MadeUpRequest one, DateTimeOffset now)
        {
            var forms = new Form[one.Request.Items!.Count];
            for (var index = 0; index < forms.Length; index++)
            {
                var item = one.Request.Items[index].Item;
                if (IsStopped(one, one.Purpose, now)) continue;
                forms[index] = Conclude(one, item, tests.Where(test => test.Speaks(one.Role, one.Purpose, one.Request.Action, item))
                    .Select(test => (test.Rule, test.Rule.Guard.Test(one.Request, one.Facts, now) == Obstacle.None)));
            }

            return forms;
        }
    }

    /// <summary>The framework's own way to ask for a resource: a requirement, a handler, and an answer that is yes or no for each form in turn.</summary>
    private sealed class FrameworkRules
    {
        private static readonly OperationAuthorizationRequirement[] Forms = [.. Enum.GetNames<Form>().Select(name => new OperationAuthorizationRequirement { Name = name })];
        private readonly IAuthorizationService service;
        private readonly ClaimsPrincipal nobody = new(new ClaimsIdentity("benchmark"));

        public FrameworkRules(PolicySet policy)
        {
            var services = new ServiceCollection();
            services.AddLogging();
            services.AddAuthorizationCore();
            services.AddSingleton<IAuthorizationHandler>(new FieldHandler(policy));
            service = services.BuildServiceProvider().GetRequiredService<IAuthorizationService>();
        }

        public Form[] Decide(MadeUpRequest one)
        {
            var forms = new Form[one.Request.Items!.Count];
            for (var index = 0; index < forms.Length; index++)
            {
                for (var form = Form.Plain; form > Form.Withheld && forms[index] == Form.Withheld; form--)
                {
                    var asked = service.AuthorizeAsync(nobody, new Asked(one, one.Request.Items[index].Item), Forms[(int)form]);
                    if (asked.GetAwaiter().GetResult().Succeeded) forms[index] = form;
                }
            }

            return forms;
        }

        private sealed record Asked(MadeUpRequest One, CatalogueItem Item);

        private sealed class FieldHandler(PolicySet policy) : AuthorizationHandler<OperationAuthorizationRequirement, Asked>
        {
            private readonly ILookup<(Role, Purpose, AccessAction), Rule> rules =
                (from rule in policy.Rules
                 from role in policy.Roles.All
                 where policy.Roles.Lineage(role).Any(rule.Roles.Contains)
                 from purpose in rule.Purposes
                 from action in rule.Actions
                 select (Key: (role, purpose, action), rule)).ToLookup(pair => pair.Key, pair => pair.rule);

            protected override Task HandleRequirementAsync(AuthorizationHandlerContext context, OperationAuthorizationRequirement requirement, Asked resource)
            {
                var one = resource.One;
                if (IsStopped(one, one.Purpose, Now)) return Task.CompletedTask;
                var widest = Conclude(one, resource.Item, rules[(one.Role, one.Purpose, one.Request.Action)].Where(rule => rule.Items.Contains(resource.Item))
                    .Select(rule => (rule, rule.Guard.Test(one.Request, one.Facts, Now) == Obstacle.None)));
                if (widest.ToString() == requirement.Name) context.Succeed(requirement);
                return Task.CompletedTask;
            }
        }
    }
}
