/**
 * Chat templates as model files have them (`tokenizer.chat_template`), word for word: metadata of the models whose names
 * they bear.
 */
export const TEMPLATES: Record<string, string> = {
  ChatML:
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<" +
    "|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% e" +
    "ndif %}",
  "ChatML, laid out":
    "{%- if not add_generation_prompt is defined -%}\n" +
    "  {%- set add_generation_prompt = false -%}\n" +
    "{%- endif -%}\n" +
    "{%- for message in messages %}\n" +
    '    {{- "<|im_start|>" + message.role + "\\n" + message.content + "<|im_end|>\\n" }}\n' +
    "{%- endfor %}\n" +
    "{%- if add_generation_prompt %}\n" +
    '    {{- "<|im_start|>assistant\\n" }}\n' +
    "{%- endif %}\n",
  SmolLM2:
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_sta" +
    "rt|>system\\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\\n' }}" +
    "{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}" +
    "}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  Qwen2:
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_sta" +
    "rt|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['r" +
    "ole'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt" +
    " %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  "Qwen2.5":
    "{%- if tools %}\n" +
    "    {{- '<|im_start|>system\\n' }}\n" +
    "    {%- if messages[0]['role'] == 'system' %}\n" +
    "        {{- messages[0]['content'] }}\n" +
    "    {%- else %}\n" +
    "        {{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}\n" +
    "    {%- endif %}\n" +
    '    {{- "\\n\\n# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\nYou' +
    ' are provided with function signatures within <tools></tools> XML tags:\\n<tools>" }}\n' +
    "    {%- for tool in tools %}\n" +
    '        {{- "\\n" }}\n' +
    "        {{- tool | tojson }}\n" +
    "    {%- endfor %}\n" +
    '    {{- "\\n</tools>\\n\\nFor each function call, return a json object with function name and argum' +
    'ents within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{\\"name\\": <function-name>, \\"argume' +
    'nts\\": <args-json-object>}\\n</tool_call><|im_end|>\\n" }}\n' +
    "{%- else %}\n" +
    "    {%- if messages[0]['role'] == 'system' %}\n" +
    "        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n" +
    "    {%- else %}\n" +
    "        {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assis" +
    "tant.<|im_end|>\\n' }}\n" +
    "    {%- endif %}\n" +
    "{%- endif %}\n" +
    "{%- for message in messages %}\n" +
    '    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message' +
    '.role == "assistant" and not message.tool_calls) %}\n' +
    "        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n" +
    '    {%- elif message.role == "assistant" %}\n' +
    "        {{- '<|im_start|>' + message.role }}\n" +
    "        {%- if message.content %}\n" +
    "            {{- '\\n' + message.content }}\n" +
    "        {%- endif %}\n" +
    "        {%- for tool_call in message.tool_calls %}\n" +
    "            {%- if tool_call.function is defined %}\n" +
    "                {%- set tool_call = tool_call.function %}\n" +
    "            {%- endif %}\n" +
    '            {{- \'\\n<tool_call>\\n{"name": "\' }}\n' +
    "            {{- tool_call.name }}\n" +
    '            {{- \'", "arguments": \' }}\n' +
    "            {{- tool_call.arguments | tojson }}\n" +
    "            {{- '}\\n</tool_call>' }}\n" +
    "        {%- endfor %}\n" +
    "        {{- '<|im_end|>\\n' }}\n" +
    '    {%- elif message.role == "tool" %}\n' +
    '        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}\n' +
    "            {{- '<|im_start|>user' }}\n" +
    "        {%- endif %}\n" +
    "        {{- '\\n<tool_response>\\n' }}\n" +
    "        {{- message.content }}\n" +
    "        {{- '\\n</tool_response>' }}\n" +
    '        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}\n' +
    "            {{- '<|im_end|>\\n' }}\n" +
    "        {%- endif %}\n" +
    "    {%- endif %}\n" +
    "{%- endfor %}\n" +
    "{%- if add_generation_prompt %}\n" +
    "    {{- '<|im_start|>assistant\\n' }}\n" +
    "{%- endif %}\n",
  Qwen3:
    "{%- if tools %}\n" +
    "    {{- '<|im_start|>system\\n' }}\n" +
    "    {%- if messages[0].role == 'system' %}\n" +
    "        {{- messages[0].content + '\\n\\n' }}\n" +
    "    {%- endif %}\n" +
    '    {{- "# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\nYou are' +
    ' provided with function signatures within <tools></tools> XML tags:\\n<tools>" }}\n' +
    "    {%- for tool in tools %}\n" +
    '        {{- "\\n" }}\n' +
    "        {{- tool | tojson }}\n" +
    "    {%- endfor %}\n" +
    '    {{- "\\n</tools>\\n\\nFor each function call, return a json object with function name and argum' +
    'ents within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{\\"name\\": <function-name>, \\"argume' +
    'nts\\": <args-json-object>}\\n</tool_call><|im_end|>\\n" }}\n' +
    "{%- else %}\n" +
    "    {%- if messages[0].role == 'system' %}\n" +
    "        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}\n" +
    "    {%- endif %}\n" +
    "{%- endif %}\n" +
    "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n" +
    "{%- for message in messages[::-1] %}\n" +
    "    {%- set index = (messages|length - 1) - loop.index0 %}\n" +
    '    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith(\'<to' +
    "ol_response>') and message.content.endswith('</tool_response>')) %}\n" +
    "        {%- set ns.multi_step_tool = false %}\n" +
    "        {%- set ns.last_query_index = index %}\n" +
    "    {%- endif %}\n" +
    "{%- endfor %}\n" +
    "{%- for message in messages %}\n" +
    '    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}\n' +
    "        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n" +
    '    {%- elif message.role == "assistant" %}\n' +
    "        {%- set content = message.content %}\n" +
    "        {%- set reasoning_content = '' %}\n" +
    "        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}" +
    "\n" +
    "            {%- set reasoning_content = message.reasoning_content %}\n" +
    "        {%- else %}\n" +
    "            {%- if '</think>' in message.content %}\n" +
    "                {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}\n" +
    "                {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\\n').sp" +
    "lit('<think>')[-1].lstrip('\\n') %}\n" +
    "            {%- endif %}\n" +
    "        {%- endif %}\n" +
    "        {%- if loop.index0 > ns.last_query_index %}\n" +
    "            {%- if loop.last or (not loop.last and reasoning_content) %}\n" +
    "                {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n'" +
    ") + '\\n</think>\\n\\n' + content.lstrip('\\n') }}\n" +
    "            {%- else %}\n" +
    "                {{- '<|im_start|>' + message.role + '\\n' + content }}\n" +
    "            {%- endif %}\n" +
    "        {%- else %}\n" +
    "            {{- '<|im_start|>' + message.role + '\\n' + content }}\n" +
    "        {%- endif %}\n" +
    "        {%- if message.tool_calls %}\n" +
    "            {%- for tool_call in message.tool_calls %}\n" +
    "                {%- if (loop.first and content) or (not loop.first) %}\n" +
    "                    {{- '\\n' }}\n" +
    "                {%- endif %}\n" +
    "                {%- if tool_call.function %}\n" +
    "                    {%- set tool_call = tool_call.function %}\n" +
    "                {%- endif %}\n" +
    '                {{- \'<tool_call>\\n{"name": "\' }}\n' +
    "                {{- tool_call.name }}\n" +
    '                {{- \'", "arguments": \' }}\n' +
    "                {%- if tool_call.arguments is string %}\n" +
    "                    {{- tool_call.arguments }}\n" +
    "                {%- else %}\n" +
    "                    {{- tool_call.arguments | tojson }}\n" +
    "                {%- endif %}\n" +
    "                {{- '}\\n</tool_call>' }}\n" +
    "            {%- endfor %}\n" +
    "        {%- endif %}\n" +
    "        {{- '<|im_end|>\\n' }}\n" +
    '    {%- elif message.role == "tool" %}\n' +
    '        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}\n' +
    "            {{- '<|im_start|>user' }}\n" +
    "        {%- endif %}\n" +
    "        {{- '\\n<tool_response>\\n' }}\n" +
    "        {{- message.content }}\n" +
    "        {{- '\\n</tool_response>' }}\n" +
    '        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}\n' +
    "            {{- '<|im_end|>\\n' }}\n" +
    "        {%- endif %}\n" +
    "    {%- endif %}\n" +
    "{%- endfor %}\n" +
    "{%- if add_generation_prompt %}\n" +
    "    {{- '<|im_start|>assistant\\n' }}\n" +
    "    {%- if enable_thinking is defined and enable_thinking is false %}\n" +
    "        {{- '<think>\\n\\n</think>\\n\\n' }}\n" +
    "    {%- endif %}\n" +
    "{%- endif %}",
  "Llama 2":
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_mess" +
    "age = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message" +
    " = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (lo" +
    "op.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/" +
    "assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content" +
    " = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set conte" +
    "nt = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' " +
    "+ content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.stri" +
    "p() + ' ' + eos_token }}{% endif %}{% endfor %}",
  "Llama 3":
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_he" +
    "ader_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>'" +
    " %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% en" +
    "dfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%" +
    " endif %}",
  "Llama 3, first":
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_he" +
    "ader_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>'" +
    " %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% en" +
    "dfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}",
  TinyLlama:
    "{% for message in messages %}\n" +
    "{% if message['role'] == 'user' %}\n" +
    "{{ '<|user|>\\n' + message['content'] + eos_token }}\n" +
    "{% elif message['role'] == 'system' %}\n" +
    "{{ '<|system|>\\n' + message['content'] + eos_token }}\n" +
    "{% elif message['role'] == 'assistant' %}\n" +
    "{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n" +
    "{% endif %}\n" +
    "{% if loop.last and add_generation_prompt %}\n" +
    "{{ '<|assistant|>' }}\n" +
    "{% endif %}\n" +
    "{% endfor %}",
  "Gemma 2":
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not suppo" +
    "rted') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.inde" +
    "x0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assista" +
    "nt/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %" +
    "}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n" +
    "' + message['content'] | trim + '<end_of_turn>\n" +
    "' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n" +
    "'}}{% endif %}",
  "Gemma 3":
    "{{ bos_token }}\n" +
    "{%- if messages[0]['role'] == 'system' -%}\n" +
    "    {%- if messages[0]['content'] is string -%}\n" +
    "        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}\n" +
    "    {%- else -%}\n" +
    "        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}\n" +
    "    {%- endif -%}\n" +
    "    {%- set loop_messages = messages[1:] -%}\n" +
    "{%- else -%}\n" +
    '    {%- set first_user_prefix = "" -%}\n' +
    "    {%- set loop_messages = messages -%}\n" +
    "{%- endif -%}\n" +
    "{%- for message in loop_messages -%}\n" +
    "    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}\n" +
    '        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/..."' +
    ") }}\n" +
    "    {%- endif -%}\n" +
    "    {%- if (message['role'] == 'assistant') -%}\n" +
    '        {%- set role = "model" -%}\n' +
    "    {%- else -%}\n" +
    "        {%- set role = message['role'] -%}\n" +
    "    {%- endif -%}\n" +
    "    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else \"\") }}\n" +
    "    {%- if message['content'] is string -%}\n" +
    "        {{ message['content'] | trim }}\n" +
    "    {%- elif message['content'] is iterable -%}\n" +
    "        {%- for item in message['content'] -%}\n" +
    "            {%- if item['type'] == 'image' -%}\n" +
    "                {{ '<start_of_image>' }}\n" +
    "            {%- elif item['type'] == 'text' -%}\n" +
    "                {{ item['text'] | trim }}\n" +
    "            {%- endif -%}\n" +
    "        {%- endfor -%}\n" +
    "    {%- else -%}\n" +
    '        {{ raise_exception("Invalid content type") }}\n' +
    "    {%- endif -%}\n" +
    "    {{ '<end_of_turn>\\n' }}\n" +
    "{%- endfor -%}\n" +
    "{%- if add_generation_prompt -%}\n" +
    "    {{'<start_of_turn>model\\n'}}\n" +
    "{%- endif -%}\n",
  "Phi-3.5":
    "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|sys" +
    "tem|>\n" +
    "' + message['content'] + '<|end|>\n" +
    "'}}{% elif message['role'] == 'user' %}{{'<|user|>\n" +
    "' + message['content'] + '<|end|>\n" +
    "'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n" +
    "' + message['content'] + '<|end|>\n" +
    "'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n" +
    "' }}{% else %}{{ eos_token }}{% endif %}",
};
