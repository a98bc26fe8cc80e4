package import NIOCore

/// Writes the Prometheus text format, version 0.0.4: one family after the other, each with its HELP and TYPE.
package struct PrometheusText {
    package private(set) var buffer = ByteBuffer()

    /// Seconds; from what a cache hit takes to what a model may think.
    private static let bounds = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
    ]

    package init() {}

    package mutating func family(_ name: String, _ type: String, _ help: String) {
        buffer.writeString("# HELP \(name) \(help)\n# TYPE \(name) \(type)\n")
    }

    package mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: Int) {
        buffer.writeString("\(name)\(Self.text(labels)) \(value)\n")
    }

    package mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: Double) {
        buffer.writeString("\(name)\(Self.text(labels)) \(value)\n")
    }

    package mutating func histogram(_ name: String, _ labels: [(String, String)] = [], _ histogram: Histogram) {
        for bound in Self.bounds {
            sample(name + "_bucket", labels + [("le", Self.text(bound))], Int(histogram.count(upTo: bound)))
        }
        sample(name + "_bucket", labels + [("le", "+Inf")], Int(histogram.total))
        sample(name + "_sum", labels, histogram.sum)
        sample(name + "_count", labels, Int(histogram.total))
    }

    private static func text(_ bound: Double) -> String {
        bound == bound.rounded() ? "\(Int(bound))" : "\(bound)"
    }

    private static func text(_ labels: [(String, String)]) -> String {
        guard !labels.isEmpty else { return "" }
        let pairs = labels.map { name, value in "\(name)=\"\(escaped(value))\"" }
        return "{" + pairs.joined(separator: ",") + "}"
    }

    private static func escaped(_ value: String) -> String {
        var out = ""
        // By scalars: with a mark that combines behind it a quote is part of another character. The format has no
        // escape for a carriage return, at which some readers end a line: it is shown as `\r`, in two characters.
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\"
            case "\"": out += "\\\""
            case "\n": out += "\\n"
            case "\r": out += "\\\\r"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
