import { Model } from "limpet";
import { defaultModel } from "limpet/default-model";

export const dynamic = "force-dynamic";

/** What the model that ships says on the server, here and in a worker; or why it says nothing. */
export async function GET() {
  try {
    const texts = [];
    for (const worker of [false, true]) {
      const model = await Model.load(defaultModel, { worker });
      texts.push(await model.generate("Once upon a time", { maxTokens: 8 }).text());
      model.dispose();
    }
    return Response.json({ same: texts[0] === texts[1] && texts[0].length > 10 });
  } catch (error) {
    return Response.json({ name: error.name, code: error.code, message: error.message });
  }
}
