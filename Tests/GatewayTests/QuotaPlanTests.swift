import Dialects
import Gateway
import Pacing
import Testing

@Suite("Which quotas a call must fit") struct QuotaPlanTests {
    private func costs(
        _ quotas: [Configuration.Quota],
        model: String? = "m",
        method: CallMethod? = .generateContent,
        items: Int = 1,
        tokens: TokenEstimate = .init(input: 30, output: 40)
    ) -> [String: Int]? {
        let plan = QuotaPlan(quotas: quotas)
        switch plan.charges(model: model, method: method, items: items, now: 0, tokens: { tokens }) {
        case .charges(let charges):
            return Dictionary(uniqueKeysWithValues: charges.map { ($0.cost.bucket.name, $0.cost.units) })
        case .free: return [:]
        case .unlimited, .tooLarge: return nil
        }
    }

    @Test("A call must fit all that cover it: a minute's and a day's, requests and tokens, by model and for all")
    func together() {
        let quotas: [Configuration.Quota] = [
            .sample("rpm", 10), .sample("tpm", 1_000, unit: .tokens(.input)),
            .sample("rpd", 100, per: .seconds(86_400)), .sample("all", 50, unit: .tokens(.total), scope: .upstream),
        ]
        #expect(costs(quotas) == ["rpm/m": 1, "tpm/m": 30, "rpd/m": 1, "all": 70])
    }

    @Test("Globs of models and names of methods choose, and a model is part of its bucket's name")
    func chosen() {
        let quotas: [Configuration.Quota] = [
            .sample("flash", 10, unit: .tokens(.output)) { $0.models = ["gemini-*-flash*"] },
            .sample("embed", 10) { $0.methods = ["batchEmbedContents"] },
        ]
        #expect(costs(quotas, model: "gemini-2.5-flash-lite") == ["flash/gemini-2.5-flash-lite": 40])
        #expect(costs(quotas, model: "gemini-2.5-pro") == nil)
        #expect(costs(quotas, model: "e", method: .batchEmbedContents, items: 4) == ["embed/e": 4])
    }

    @Test("Tokens are an estimate and never refused; a batch above a quota of requests is")
    func estimates() {
        let plan = QuotaPlan(quotas: [.sample("tpm", 5, unit: .tokens(.input)), .sample("rpm", 3)])
        guard
            case .charges(let charges) = plan.charges(
                model: "m",
                method: .generateContent,
                items: 3,
                now: 0,
                tokens: { .init(input: 9_999, output: 0) }
            )
        else {
            Issue.record("refused")
            return
        }
        #expect(charges.map(\.cost.isEstimate) == [true, false])
        #expect(charges.map(\.cost.units) == [9_999, 3])
        #expect(charges.map(\.quota) == [0, 1])
        // Where they count beside too many other models.
        #expect(charges.map(\.cost.bucket.overflow) == ["tpm/*", "rpm/*"])
        #expect(costs(plan.quotas, method: .batchEmbedContents, items: 4) == nil)
    }

    @Test("What costs no tokens goes at once where only tokens are counted, and is covered all the same")
    func free() {
        let tokens: [Configuration.Quota] = [.sample("tpm", 1_000, unit: .tokens(.input))]
        #expect(costs(tokens, method: .countTokens, tokens: .none) == [:])
        #expect(costs([.sample("out", 9, unit: .tokens(.output))], tokens: .init(input: 5, output: 0)) == [:])
        #expect(costs(tokens + [.sample("rpm", 10)], method: .countTokens, tokens: .none) == ["rpm/m": 1])
        #expect(costs(tokens, model: nil) == nil)
    }

    @Test("Nobody measures a body for a quota of requests")
    func unasked() {
        let plan = QuotaPlan(quotas: [.sample("rpm", 10)])
        var asked = false
        _ = plan.charges(model: "m", method: .generateContent, items: 1, now: 0) {
            asked = true
            return .none
        }
        #expect(!asked)
    }

    @Test("A calendar window carries its next reset, reckoned anew when it has passed or the clock was set back")
    func calendar() throws {
        let zone = try #require(ZoneRules(posix: "PST8PDT,M3.2.0,M11.1.0"))
        let reset = DailyReset(zone: "Z", secondOfDay: 0, rules: zone)
        let plan = QuotaPlan(quotas: [.sample("rpd", 10, per: .seconds(86_400)) { $0.reset = reset }])
        func told(at now: Int) -> Duration? {
            guard
                case .charges(let charges) = plan.charges(
                    model: "m",
                    method: .generateContent,
                    items: 1,
                    now: now,
                    tokens: { .none }
                )
            else { return nil }
            return charges[0].cost.bucket.reset
        }
        // 2026-03-08 00:00 PST, before the clocks go forward: that day has 23 hours.
        let begin = 1_772_956_800
        #expect(told(at: begin - 1) == .seconds(begin))
        #expect(told(at: begin) == .seconds(begin + 23 * 3_600))
        #expect(told(at: begin + 3_600) == .seconds(begin + 23 * 3_600))
        #expect(told(at: begin + 23 * 3_600) == .seconds(begin + 47 * 3_600))
        #expect(told(at: begin - 10 * 86_400) == .seconds(begin - 9 * 86_400))
        #expect(plan.untilReset(of: 0, now: begin + 22 * 3_600) == .seconds(3_600))
    }
}
