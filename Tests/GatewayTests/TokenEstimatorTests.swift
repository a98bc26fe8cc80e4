import Dialects
import Gateway
import Testing

@Suite("Estimates of tokens") struct TokenEstimatorTests {
    @Test("Before anything is known four bytes are a token and a picture is 258")
    func start() {
        let estimator = TokenEstimator()
        #expect(
            estimator.estimate(PromptSize(textBytes: 4_000), model: "m", produces: false)
                == .init(input: 1_000, output: 0)
        )
        #expect(estimator.estimate(PromptSize(images: 2), model: "m", produces: false).input == 516)
        #expect(estimator.estimate(PromptSize(), model: "m", produces: false).input == 1)
    }

    @Test("What may come out at most is reserved, for each answer that is asked for")
    func maximum() {
        let estimator = TokenEstimator()
        #expect(
            estimator.estimate(PromptSize(textBytes: 4, maximumOutput: 800), model: "m", produces: true).output == 800
        )
        #expect(
            estimator.estimate(PromptSize(textBytes: 4, maximumOutput: 800, candidates: 3), model: "m", produces: true)
                .output == 2_400
        )
        #expect(estimator.estimate(PromptSize(textBytes: 4), model: "m", produces: true).output == 500)
    }

    @Test(
        "Bytes a token are learned by model: within 5 % after ten answers",
        arguments: [(text: 3_000, tokens: 1_000), (text: 3_000, tokens: 300), (text: 900, tokens: 450)]
    )
    func learnsText(text: Int, tokens: Int) {
        let estimator = TokenEstimator()
        for _ in 0..<10 {
            estimator.learn(
                .init(input: tokens, output: 10),
                of: PromptSize(textBytes: text),
                model: "m",
                produces: true
            )
        }
        let twice = estimator.estimate(PromptSize(textBytes: 2 * text), model: "m", produces: true)
        #expect(abs(twice.input - 2 * tokens) <= tokens / 10)
        #expect(estimator.estimate(PromptSize(textBytes: 4_000), model: "other", produces: false).input == 1_000)
    }

    @Test("Mean output, pictures and media are learned too, each where it stands alone beside text")
    func learnsOthers() {
        let estimator = TokenEstimator()
        for _ in 0..<60 {
            estimator.learn(
                .init(input: 1_000, output: 0),
                of: PromptSize(textBytes: 4_000),
                model: "m",
                produces: false
            )
            estimator.learn(
                .init(input: 1_100, output: 80),
                of: PromptSize(textBytes: 400, images: 1),
                model: "m",
                produces: true
            )
            estimator.learn(
                .init(input: 500, output: 80),
                of: PromptSize(mediaBytes: 100_000),
                model: "m",
                produces: true
            )
        }
        #expect(abs(estimator.estimate(PromptSize(images: 3), model: "m", produces: true).input - 3_000) < 150)
        #expect(abs(estimator.estimate(PromptSize(mediaBytes: 200_000), model: "m", produces: true).input - 1_000) < 50)
        #expect((80...110).contains(estimator.estimate(PromptSize(textBytes: 4), model: "m", produces: true).output))
    }

    @Test("What cannot be is not believed: more tokens than bytes, or none at all")
    func absurd() {
        let estimator = TokenEstimator()
        for _ in 0..<100 {
            estimator.learn(
                .init(input: 1 << 40, output: 0),
                of: PromptSize(textBytes: 100),
                model: "a",
                produces: false
            )
            estimator.learn(.init(input: 0, output: 0), of: PromptSize(textBytes: 10_000), model: "b", produces: false)
            estimator.learn(.init(input: 0, output: 0), of: PromptSize(), model: "c", produces: false)
        }
        #expect(estimator.estimate(PromptSize(textBytes: 1_000), model: "a", produces: false).input <= 1_000)
        #expect(estimator.estimate(PromptSize(textBytes: 32_000), model: "b", produces: false).input >= 1_000)
        #expect(estimator.estimate(PromptSize(textBytes: 4_000), model: "c", produces: false).input == 1_000)
    }

    @Test("Callers choose models: beyond a number they learn together, and the first ones stay")
    func bounded() {
        let estimator = TokenEstimator()
        for index in 0..<2_000 {
            estimator.learn(
                .init(input: 1_000, output: 0),
                of: PromptSize(textBytes: 2_000),
                model: "m\(index)",
                produces: false
            )
        }
        let first = estimator.estimate(PromptSize(textBytes: 2_000), model: "m0", produces: false).input
        let unknown = estimator.estimate(PromptSize(textBytes: 2_000), model: "unknown", produces: false).input
        #expect((850...1_000).contains(first))
        #expect((950...1_000).contains(unknown))
    }

    @Test("Each quota takes its part of an estimate")
    func units() {
        let estimate = TokenEstimate(input: 3, output: 4)
        #expect(estimate.units(of: .input) == 3)
        #expect(estimate.units(of: .output) == 4)
        #expect(estimate.units(of: .total) == 7)
    }
}
