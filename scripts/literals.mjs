/**
 * A transform for asc (`--transform ./scripts/literals.mjs`): the literals of the core lie as bytes.
 *
 * asc lays a string down as an object: 20 bytes of header, two bytes a letter, padding. The core only reads its literals
 * (error sentences, names of keys and tensors, help), so each one under assembly/ becomes the address of its UTF-8 with
 * a NUL behind it, and the type `string` becomes `usize`. Editors and src/ still see strings; assembly/memory/ alone
 * knows how they lie. Equal literals lie once, and a build holds those alone that its code names.
 */
import { LiteralKind, MemorySegment, Module, Node, NodeKind } from "assemblyscript";
import { Transform } from "assemblyscript/transform";

/** Builtins whose argument is a name in the source. */
const TAKES_NAME = "offsetof";

/** Segments that lie no further apart become one: another one costs as many bytes. */
const LARGEST_GAP = 6;

export default class Literals extends Transform {
  /** Each text, and the constant that is its address. @type {Map<string, string>} */
  constants = new Map();

  afterParse(parser) {
    for (const source of parser.sources) {
      if (!source.isLibrary) source.statements = source.statements.map((statement) => this.changed(statement));
    }
    const lines = [...this.constants].map(([text, name]) => {
      return `@global @lazy const ${name}: usize = memory.data<u8>([${[...Buffer.from(text)].join()},0], 1);`;
    });
    parser.parseFile(lines.join("\n"), "assembly/literals.ts", false);
  }

  /** What stands in a node's place. */
  changed(node) {
    switch (node.kind) {
      case NodeKind.Import:
      case NodeKind.Export:
      case NodeKind.Decorator:
        return node;
      case NodeKind.Call:
        if (node.expression.text === TAKES_NAME) return node;
        break;
      case NodeKind.NamedType:
        if (node.name.identifier.text === "string") node.name.identifier.text = "usize";
        break;
      case NodeKind.Literal:
        if (node.isLiteralKind(LiteralKind.String)) return this.address(node, node.value);
        if (node.isLiteralKind(LiteralKind.Template)) {
          if (node.parts.length > 1) refuse(node, "a template with expressions");
          return this.address(node, node.parts[0].value);
        }
        break;
      case NodeKind.Binary:
        if (isText(node.left) || isText(node.right)) refuse(node, "an operator on a literal");
    }
    for (const [key, value] of Object.entries(node)) {
      if (key === "range") continue;
      if (Array.isArray(value)) node[key] = value.map((item) => (item instanceof Node ? this.changed(item) : item));
      else if (value instanceof Node) node[key] = this.changed(value);
    }
    return node;
  }

  address(node, text) {
    if (text.includes("\0")) refuse(node, "a NUL, which would end the literal,");
    const name = this.constants.get(text) ?? `literal_${this.constants.size}`;
    this.constants.set(text, name);
    return Node.createIdentifierExpression(name, node.range);
  }
}

function isText(node) {
  return node.kind === NodeKind.Literal && (node.isLiteralKind(LiteralKind.String) || node.isLiteralKind(LiteralKind.Template));
}

function refuse({ range }, what) {
  throw new Error(`${range.source.normalizedPath}:${range.source.lineAt(range.start)}: ${what} is not for the core`);
}
